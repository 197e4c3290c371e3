/** Clients written by others must find nothing wrong with this server. */
import { createHash } from 'node:crypto';
import {
  DeleteObjectCommand,
  GetBucketLocationCommand,
  GetBucketOwnershipControlsCommand,
  GetBucketPolicyStatusCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  GetPublicAccessBlockCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { createPresignedPost } from '@aws-sdk/s3-presigned-post';
import { AwsClient } from 'aws4fetch';
import { request } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import type { LocalS3 } from './local-s3.ts';
import { BUCKET, REGION, runningS3 } from './_support/running-s3.ts';
import type { BucketOptions, S3Credential } from './settings.ts';
import { EXAMPLE_CREDENTIAL } from './_support/signed-form.ts';

const tests = runningS3();
const clients: S3Client[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await tests.cleanUp();
});

async function connect(bucket: Partial<BucketOptions> = {}, credentials: S3Credential = EXAMPLE_CREDENTIAL) {
  const s3 = await tests.start({ credentials: [credentials], buckets: [{ name: BUCKET, ...bucket }] });
  const sdk = new S3Client({
    endpoint: s3.endpoint,
    region: REGION,
    credentials,
    forcePathStyle: true,
    maxAttempts: 1,
  });
  clients.push(sdk);
  return { s3, sdk };
}

const aws4 = (s3: LocalS3) => ({
  client: new AwsClient({ ...EXAMPLE_CREDENTIAL, service: 's3', region: REGION, retries: 0 }),
  url: (path: string) => `${s3.endpoint}/${BUCKET}${path}`,
});

describe('@aws-sdk/s3-presigned-post', () => {
  test.each([undefined, 'FQoDYXdzTOKEN=='])(
    'makes a form that is accepted, with session token %s',
    async (token) => {
      const credential = { ...EXAMPLE_CREDENTIAL, ...(token === undefined ? {} : { sessionToken: token }) };
      const { s3, sdk } = await connect({}, credential);
      const body = Buffer.from('picture');
      const { url, fields } = await createPresignedPost(sdk, {
        Bucket: BUCKET,
        Key: 'customers/output.jpg',
        Fields: {
          acl: 'private',
          'Content-Type': 'image/jpeg',
          success_action_status: '201',
          'x-amz-checksum-sha256': createHash('sha256').update(body).digest('base64'),
        },
        Conditions: [['content-length-range', body.length, body.length]],
        Expires: 60,
      });
      const form = new FormData();
      for (const [name, value] of Object.entries(fields)) form.append(name, value);
      form.append('file', new Blob([body]), 'output.jpg');
      const answer = await fetch(url, { method: 'POST', body: form });
      expect(await answer.text()).toContain('<Key>customers/output.jpg</Key>');
      expect(answer.status).toBe(201);
      expect((await s3.objects.get(BUCKET, 'customers/output.jpg'))?.body).toEqual(body);
    },
  );
});

describe('@aws-sdk/client-s3', () => {
  test('puts, heads, gets and deletes an object', async () => {
    const { s3, sdk } = await connect();
    const key = "a b/é+'()*~%2F.txt";
    const sha256 = createHash('sha256').update('text').digest('base64');
    const put = { Bucket: BUCKET, Key: key, Body: 'text', ContentType: 'text/plain', ChecksumSHA256: sha256 };
    await sdk.send(new PutObjectCommand({ ...put, Metadata: { origin: 'sdk' }, CacheControl: 'no-store' }));
    expect(await s3.objects.keys(BUCKET)).toEqual([key]);
    const head = await sdk.send(new HeadObjectCommand({ Bucket: BUCKET, Key: key, ChecksumMode: 'ENABLED' }));
    expect(head).toMatchObject({
      ContentLength: 4,
      ContentType: 'text/plain',
      CacheControl: 'no-store',
      Metadata: { origin: 'sdk' },
      ChecksumSHA256: sha256,
      ChecksumType: 'FULL_OBJECT',
    });
    const got = await sdk.send(new GetObjectCommand({ Bucket: BUCKET, Key: key, ChecksumMode: 'ENABLED' }));
    expect(await got.Body?.transformToString()).toBe('text');
    const part = await sdk.send(new GetObjectCommand({ Bucket: BUCKET, Key: key, Range: 'bytes=1-2' }));
    expect([part.ContentRange, await part.Body?.transformToString()]).toEqual(['bytes 1-2/4', 'ex']);
    await sdk.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: key }));
    const gone = sdk.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }));
    await expect(gone).rejects.toMatchObject({ name: 'NoSuchKey', $metadata: { httpStatusCode: 404 } });
  });

  test('does not find a checksum it did not ask for or nobody announced', async () => {
    const { s3, sdk } = await connect();
    await s3.objects.set(BUCKET, 'with', 'x');
    await s3.objects.set(BUCKET, 'without', 'x', { withChecksum: false });
    const head = (Key: string, mode: { ChecksumMode?: 'ENABLED' }) =>
      sdk.send(new HeadObjectCommand({ Bucket: BUCKET, Key, ...mode }));
    expect((await head('with', {})).ChecksumSHA256).toBeUndefined();
    expect((await head('without', { ChecksumMode: 'ENABLED' })).ChecksumSHA256).toBeUndefined();
  });

  test('lists in pages, by prefix, by delimiter and from a key on', async () => {
    const { s3, sdk } = await connect();
    for (const key of ['a/1', 'a/2', 'a/3', 'b/1', 'c']) await s3.objects.set(BUCKET, key, key);
    const list = (more: object) => sdk.send(new ListObjectsV2Command({ Bucket: BUCKET, ...more }));
    const keys = async (more: object) => (await list(more)).Contents?.map(({ Key }) => Key);
    const first = await list({ Prefix: 'a/', MaxKeys: 2 });
    expect(first).toMatchObject({
      IsTruncated: true,
      KeyCount: 2,
      Contents: [{ Key: 'a/1', Size: 3 }, { Key: 'a/2' }],
    });
    expect(await keys({ Prefix: 'a/', ContinuationToken: first.NextContinuationToken })).toEqual(['a/3']);
    expect(await keys({ StartAfter: 'a/3' })).toEqual(['b/1', 'c']);
    const folders = await list({ Delimiter: '/', MaxKeys: 1 });
    expect(folders).toMatchObject({ CommonPrefixes: [{ Prefix: 'a/' }], IsTruncated: true });
    const rest = await list({ Delimiter: '/', ContinuationToken: folders.NextContinuationToken });
    expect(rest).toMatchObject({
      CommonPrefixes: [{ Prefix: 'b/' }],
      Contents: [{ Key: 'c' }],
      IsTruncated: false,
    });
    expect(await keys({ Prefix: 'nothing/here' })).toBeUndefined();
  });

  test('lists keys of any characters, encoded when asked', async () => {
    const { s3, sdk } = await connect();
    const key = 'ä/<&> b';
    await s3.objects.set(BUCKET, key, 'x');
    const list = (more: object) => sdk.send(new ListObjectsV2Command({ Bucket: BUCKET, ...more }));
    expect((await list({})).Contents).toMatchObject([{ Key: key }]);
    expect(await list({ EncodingType: 'url' })).toMatchObject({
      EncodingType: 'url',
      Contents: [{ Key: '%C3%A4/%3C%26%3E%20b' }],
    });
  });

  test('reads the ACL of an object', async () => {
    const { s3, sdk } = await connect();
    await s3.objects.set(BUCKET, 'k', 'x');
    const grants = async () =>
      (await sdk.send(new GetObjectAclCommand({ Bucket: BUCKET, Key: 'k' }))).Grants?.map(
        ({ Grantee, Permission }) => `${Grantee?.Type} ${Grantee?.URI ?? 'owner'} ${Permission}`,
      );
    const owner = 'CanonicalUser owner FULL_CONTROL';
    expect(await grants()).toEqual([owner]);
    await s3.objects.setAcl(BUCKET, 'k', 'public-read');
    expect(await grants()).toEqual([owner, 'Group http://acs.amazonaws.com/groups/global/AllUsers READ']);
    await s3.objects.setAcl(BUCKET, 'k', 'authenticated-read');
    expect(await grants()).toEqual([
      owner,
      'Group http://acs.amazonaws.com/groups/global/AuthenticatedUsers READ',
    ]);
    await s3.setBucket({ name: BUCKET, objectOwnership: 'BucketOwnerEnforced' });
    expect(await grants()).toEqual([owner]);
  });

  test('reads how public a bucket is', async () => {
    const { s3, sdk } = await connect();
    const isPublic = async () =>
      (await sdk.send(new GetBucketPolicyStatusCommand({ Bucket: BUCKET }))).PolicyStatus?.IsPublic;
    const block = () => sdk.send(new GetPublicAccessBlockCommand({ Bucket: BUCKET }));
    expect(await isPublic()).toBe(false);
    await expect(block()).rejects.toMatchObject({ name: 'NoSuchPublicAccessBlockConfiguration' });
    await s3.setBucket({ name: BUCKET, publicRead: true });
    expect(await isPublic()).toBe(true);
    await s3.setBucket({ name: BUCKET, objectOwnership: 'BucketOwnerEnforced' });
    expect(await isPublic()).toBe(false);
    expect((await block()).PublicAccessBlockConfiguration).toEqual({
      BlockPublicAcls: true,
      IgnorePublicAcls: true,
      BlockPublicPolicy: true,
      RestrictPublicBuckets: true,
    });
    const controls = await sdk.send(new GetBucketOwnershipControlsCommand({ Bucket: BUCKET }));
    expect(controls.OwnershipControls?.Rules).toEqual([{ ObjectOwnership: 'BucketOwnerEnforced' }]);
  });

  test('asks for the bucket itself', async () => {
    const { sdk } = await connect();
    expect(await sdk.send(new HeadBucketCommand({ Bucket: BUCKET }))).toMatchObject({ BucketRegion: REGION });
    const location = await sdk.send(new GetBucketLocationCommand({ Bucket: BUCKET }));
    expect(location.LocationConstraint).toBe(REGION);
    const missing = sdk.send(new ListObjectsV2Command({ Bucket: 'not-there' }));
    await expect(missing).rejects.toMatchObject({ name: 'NoSuchBucket', $metadata: { httpStatusCode: 404 } });
  });

  test('cannot tell a missing key from a forbidden one without s3:ListBucket', async () => {
    const { s3, sdk } = await connect({ listBucketAllowed: false });
    await s3.objects.set(BUCKET, 'there', 'x');
    await sdk.send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'there' }));
    const missing = sdk.send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'missing' }));
    await expect(missing).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } });
    const list = sdk.send(new ListObjectsV2Command({ Bucket: BUCKET }));
    await expect(list).rejects.toMatchObject({ name: 'AccessDenied' });
  });

  test('creates an object once when it asks so, however many try', async () => {
    const { sdk } = await connect();
    const put = (Body: string) =>
      sdk.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'once', Body, IfNoneMatch: '*' }));
    const results = await Promise.allSettled(['a', 'b', 'c', 'd'].map(put));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await expect(put('e')).rejects.toMatchObject({ $metadata: { httpStatusCode: 412 } });
  });
});

describe('aws4fetch', () => {
  test('signs headers that are accepted', async () => {
    const { s3 } = await connect();
    const { client, url } = aws4(s3);
    expect((await client.fetch(url('/dir/k?x-id=Put'), { method: 'PUT', body: 'body' })).status).toBe(200);
    const head = await client.fetch(url('/dir/k'), { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '4']);
    expect((await client.fetch(url('?list-type=2&prefix=dir/&max-keys=10'))).status).toBe(200);
    expect(await (await client.fetch(url('/dir/k?acl'))).text()).toContain('<AccessControlPolicy');
  });

  test('signs a link that is good for its time and no longer', async () => {
    let now = new Date();
    const s3 = await tests.start({ clock: () => now });
    await s3.objects.set(BUCKET, 'k', 'body');
    const { client, url } = aws4(s3);
    const link = async (query: string, options: object = {}) =>
      (await client.sign(url(`/k?${query}`), { aws: { signQuery: true, ...options } })).url;
    const good = await link('X-Amz-Expires=60&response-content-disposition=attachment');
    const answer = await fetch(good);
    expect([answer.status, await answer.text()]).toEqual([200, 'body']);
    expect(answer.headers.get('content-disposition')).toBe('attachment');
    const failure = async (address: string) => {
      const text = await (await fetch(address)).text();
      return ['Code', 'Message'].map((tag) => new RegExp(`<${tag}>(.*)</${tag}>`).exec(text)?.[1]);
    };
    expect((await failure(good.replace('attachment', 'inline')))[0]).toBe('SignatureDoesNotMatch');
    expect((await failure(await link('X-Amz-Expires=604801')))[0]).toBe('AuthorizationQueryParametersError');
    now = new Date(now.getTime() + 62_000);
    expect(await failure(good)).toEqual(['AccessDenied', 'Request has expired']);
    now = new Date(now.getTime() - 3_600_000);
    expect(await failure(good)).toEqual(['AccessDenied', 'Request is not yet valid']);
  });

  test('reaches a bucket by its host name', async () => {
    const { s3 } = await connect();
    await s3.objects.set(BUCKET, 'dir/k', 'x');
    const { client } = aws4(s3);
    const host = `${BUCKET}.localhost:${new URL(s3.endpoint).port}`;
    const signed = await client.sign(`http://${host}/dir/k`);
    // Sent by address: not every resolver knows names under localhost.
    const answer = await request(`${s3.endpoint}/dir/k`, {
      headers: { ...Object.fromEntries(signed.headers), host },
    });
    expect([answer.statusCode, await answer.body.text()]).toEqual([200, 'x']);
  });
});
