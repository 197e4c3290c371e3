import { expect, it } from 'vitest';
import { z } from 'zod';
import { ConfigError, readEnvironment } from '../../services/runtime/environment.ts';
import { type S3Environment, s3ConfigFrom, s3Variables } from './s3-config.ts';
import { s3Location } from './s3-location.ts';

const read = (environment: Record<string, string>) =>
  s3ConfigFrom(readEnvironment(z.object(s3Variables), environment) as S3Environment);

it('has the defaults of the project', () => {
  expect(read({})).toEqual({
    region: 'us-east-1',
    bucket: 'customers-sekai-background-image-gen',
    prefix: 'customers/sekai/background-image-gen/',
    objectAcl: 'private',
    checksum: 'sha256',
    addressing: 'auto',
  });
});

it.each([
  [{ AWS_DEFAULT_REGION: 'c-1' }, 'c-1'],
  [{ AWS_DEFAULT_REGION: 'c-1', AWS_REGION: 'b-1' }, 'b-1'],
  [{ AWS_DEFAULT_REGION: 'c-1', AWS_REGION: 'b-1', S3_REGION: 'a-1' }, 'a-1'],
])('takes the region of %j', (environment, region) => {
  expect(read(environment).region).toBe(region);
});

it.each([
  ['/', ''],
  ['a', 'a/'],
  ['/a/b', 'a/b/'],
  ['a/b/', 'a/b/'],
  ['a.b/c_d-E9', 'a.b/c_d-E9/'],
])('reads the prefix %s as "%s"', (text, prefix) => {
  expect(read({ S3_PREFIX: text }).prefix).toBe(prefix);
});

it.each<[string, string]>([
  ['S3_PREFIX', 'a//b'],
  ['S3_PREFIX', 'a/../b'],
  ['S3_PREFIX', 'a/./b'],
  ['S3_PREFIX', 'a b'],
  ['S3_PREFIX', '${filename}'],
  ['S3_PREFIX', 'a'.repeat(901)],
  ['S3_BUCKET', 'Upper'],
  ['S3_BUCKET', 'a/b'],
  ['S3_REGION', 'eu west'],
  ['S3_OBJECT_ACL', 'public-read'],
  ['S3_CHECKSUM', 'md5'],
  ['S3_ADDRESSING', 'dns'],
  ['S3_ENDPOINT', 's3.example.com'],
  ['S3_ENDPOINT', 'ftp://s3.example.com'],
  ['S3_ENDPOINT', 'https://s3.example.com/?a=b'],
])('refuses %s=%s', (name, value) => {
  const refused = () => read({ [name]: value });
  expect(refused).toThrow(ConfigError);
  expect(refused).toThrow(name);
});

it('keeps a password in the endpoint out of the error', () => {
  expect(() => read({ S3_ENDPOINT: 'https://me:hunter2@s3.example.com' })).toThrow(
    /S3_ENDPOINT(?!.*hunter2)/s,
  );
});

it('refuses virtual addressing of an IP address', () => {
  const environment = { S3_ENDPOINT: 'http://127.0.0.1:9000', S3_ADDRESSING: 'virtual' };
  expect(() => read(environment)).toThrow(/S3_ADDRESSING/);
});

it.each<[Record<string, string>, string]>([
  [{}, 'https://pairs.s3.us-east-1.amazonaws.com/k/1.jpg'],
  [{ S3_REGION: 'cn-north-1' }, 'https://pairs.s3.cn-north-1.amazonaws.com.cn/k/1.jpg'],
  [{ S3_BUCKET: 'pairs.example' }, 'https://s3.us-east-1.amazonaws.com/pairs.example/k/1.jpg'],
  [{ S3_ADDRESSING: 'path' }, 'https://s3.us-east-1.amazonaws.com/pairs/k/1.jpg'],
  [{ S3_ENDPOINT: 'http://minio:9000' }, 'http://minio:9000/pairs/k/1.jpg'],
  [{ S3_ENDPOINT: 'http://minio:9000/s3/' }, 'http://minio:9000/s3/pairs/k/1.jpg'],
  [{ S3_ENDPOINT: 'https://minio', S3_ADDRESSING: 'virtual' }, 'https://pairs.minio/k/1.jpg'],
  [{ S3_ENDPOINT: 'https://notamazonaws.com' }, 'https://notamazonaws.com/pairs/k/1.jpg'],
])('addresses objects with %j', (environment, url) => {
  const location = s3Location(read({ S3_BUCKET: 'pairs', ...environment }));
  expect(location.objectUrl('k/1.jpg').href).toBe(url);
  expect(location.objectUrl('k/1.jpg', { acl: '' }).href).toBe(`${url}?acl`);
  const bucketUrl = url.replace(/\/k\/1\.jpg$/, '');
  expect(`${location.origin}${location.formPath}`.replace(/\/$/, '')).toBe(bucketUrl);
  expect(location.bucketUrl({ policyStatus: '' }).href.replace('/?', '?')).toBe(`${bucketUrl}?policyStatus`);
});
