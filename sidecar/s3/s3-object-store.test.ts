import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type LocalS3, startLocalS3 } from '../../deploy/dev/local-s3/local-s3.ts';
import { createLogger } from '../../services/runtime/logger.ts';
import { type CredentialProvider, staticProvider } from './credentials/credential-provider.ts';
import type { S3Config } from './s3-config.ts';
import { createS3ObjectStore, type S3ObjectStore } from './s3-object-store.ts';
import { drain, faultOf, never } from './testing/store-over.ts';

const keys = { accessKeyId: 'AKIDLOCAL', secretAccessKey: 'local-secret-key' };
const temporary = {
  accessKeyId: 'ASIALOCAL',
  secretAccessKey: 'temporary-secret',
  sessionToken: 'TOKEN/+==',
};
const stores: S3ObjectStore[] = [];
let s3: LocalS3;
let directory = '';

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 's3-'));
  s3 = await startLocalS3({
    directory,
    credentials: [keys, temporary],
    region: 'eu-central-1',
    buckets: [
      { name: 'pairs' },
      { name: 'enforced', objectOwnership: 'BucketOwnerEnforced' },
      { name: 'open', publicRead: true },
      { name: 'unlisted', listBucketAllowed: false },
    ],
  });
});

beforeEach(() => s3.setCredentials([keys, temporary]));

afterAll(async () => {
  await Promise.all(stores.map((store) => store.close()));
  await s3.stop();
  await rm(directory, { recursive: true });
});

function storeFor(
  config: Partial<S3Config> = {},
  credentials: CredentialProvider = staticProvider(keys),
): S3ObjectStore {
  const store = createS3ObjectStore({
    config: {
      endpoint: new URL(s3.endpoint),
      region: 'eu-central-1',
      bucket: 'pairs',
      prefix: 'customers/',
      objectAcl: 'private',
      checksum: 'sha256',
      addressing: 'auto',
      ...config,
    },
    credentials,
    logger: createLogger('test', 'silent'),
    pauses: { baseMs: 1, throttledBaseMs: 1 },
  });
  stores.push(store);
  return store;
}

function imageOf(sizeBytes: number) {
  const body = randomBytes(sizeBytes);
  const sha256 = createHash('sha256').update(body).digest();
  const key = `customers/output-${sha256.toString('hex')}.jpg`;
  return { key, body, contentType: 'image/jpeg', sha256, metadata: { 'request-id': 'r-1' } };
}

it.each([
  ['an access key', keys],
  ['temporary credentials', temporary],
])('stores an object with %s, finds it and reads it back', async (_, credentials) => {
  const store = storeFor({}, staticProvider(credentials));
  const image = imageOf(1_500_000);
  expect(await store.exists(image.key, never)).toBe('absent');
  await store.put(image, never);
  expect(await store.exists(image.key, never)).toBe('present');
  expect(await store.reader.head(image.key, never)).toMatchObject({
    head: {
      sizeBytes: 1_500_000,
      contentType: 'image/jpeg',
      sha256: image.sha256.toString('hex'),
      metadata: image.metadata,
    },
  });
  const got = await store.reader.get(image.key, {}, never);
  if (got.state !== 'present') throw new Error(got.state);
  await drain(got.body);
  expect(got.sha256()).toBe(image.sha256.toString('hex'));
});

it('may store the same object twice', async () => {
  const store = storeFor();
  const image = imageOf(10);
  await store.put(image, never);
  await store.put(image, never);
  expect(await store.exists(image.key, never)).toBe('present');
});

it('keeps what it stores from the public', async () => {
  const store = storeFor();
  const image = imageOf(10);
  await store.put(image, never);
  const anybody = await store.reader.get(image.key, { range: 'bytes=0-0', anonymous: true }, never);
  expect(anybody.state).toBe('forbidden');
  expect(await store.reader.getAcl(image.key, never)).toEqual({
    state: 'known',
    grants: [{ grantee: 'account', permission: 'FULL_CONTROL' }],
  });
  expect(await store.reader.policyStatus(never)).toEqual({ state: 'known', isPublic: false });
});

it('shows a public bucket to be public', async () => {
  const store = storeFor({ bucket: 'open' });
  const image = imageOf(10);
  await store.put(image, never);
  const anybody = await store.reader.get(image.key, { range: 'bytes=0-0', anonymous: true }, never);
  if (anybody.state !== 'present') throw new Error(anybody.state);
  expect(anybody.head.sizeBytes).toBe(1);
  anybody.close();
  expect(await store.reader.policyStatus(never)).toEqual({ state: 'known', isPublic: true });
});

it('gives a link that reads the object without credentials', async () => {
  const store = storeFor({}, staticProvider(temporary));
  const image = imageOf(1000);
  await store.put(image, never);
  const link = await store.reader.downloadLink(image.key, 60);
  const response = await fetch(link.url);
  expect(response.status).toBe(200);
  expect(Buffer.from(await response.arrayBuffer()).equals(image.body)).toBe(true);
  link.url.searchParams.set('X-Amz-Expires', '61');
  const tampered = await fetch(link.url);
  await tampered.text();
  expect(tampered.status).toBe(403);
});

it('cannot tell a missing object without s3:ListBucket', async () => {
  expect(await storeFor({ bucket: 'unlisted' }).exists('customers/none', never)).toBe('unknown');
});

it('has its bytes verified: an object whose hash is wrong is refused after one more attempt', async () => {
  const image = { ...imageOf(100), sha256: new Uint8Array(32) };
  const fault = await faultOf(storeFor().put(image, never));
  expect(fault.message).toMatch(/BadDigest/);
});

it('names S3_OBJECT_ACL for a bucket with ACLs disabled, and works without ACL', async () => {
  const image = imageOf(100);
  const fault = await faultOf(storeFor({ bucket: 'enforced' }).put(image, never));
  expect(fault.cure).toMatch(/S3_OBJECT_ACL=bucket-owner-full-control or S3_OBJECT_ACL=none/);
  await storeFor({ bucket: 'enforced', objectAcl: 'none' }).put(image, never);
  await storeFor({ bucket: 'enforced', objectAcl: 'bucket-owner-full-control' }).put(image, never);
});

it('names the cure for a missing bucket, a wrong region and a wrong secret', async () => {
  const image = imageOf(100);
  expect((await faultOf(storeFor({ bucket: 'nowhere' }).put(image, never))).cure).toMatch(/S3_BUCKET/);
  const elsewhere = await faultOf(storeFor({ region: 'us-east-1' }).put(image, never));
  expect(elsewhere.cure).toMatch(/S3_REGION=eu-central-1/);
  const wrong = staticProvider({ ...keys, secretAccessKey: 'wrong' });
  expect((await faultOf(storeFor({}, wrong).put(image, never))).cure).toMatch(/AWS_SECRET_ACCESS_KEY/);
});

it('goes on with fresh credentials when the session token has ended', async () => {
  const fresh = { ...temporary, sessionToken: 'FRESH/+==' };
  s3.setCredentials([fresh]);
  let current = temporary;
  const provider: CredentialProvider = {
    get: async () => current,
    replace: async () => {
      current = fresh;
      return fresh;
    },
  };
  const store = storeFor({}, provider);
  const image = imageOf(100);
  await store.put(image, never);
  expect(await store.exists(image.key, never)).toBe('present');
});

it('stores many objects at once', async () => {
  const store = storeFor();
  const images = Array.from({ length: 64 }, () => imageOf(20_000));
  await Promise.all(images.map((image) => store.put(image, never)));
  const found = await Promise.all(images.map(({ key }) => store.exists(key, never)));
  expect(new Set(found)).toEqual(new Set(['present']));
});
