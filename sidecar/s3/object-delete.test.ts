import { afterEach, expect, it } from 'vitest';
import { answer, refusal } from './testing/scripted-store.ts';
import { closeOpened, faultOf, key, never, storeOver } from './testing/store-over.ts';

afterEach(closeOpened);

it('removes an object by a signed DELETE', async () => {
  const { server, store } = await storeOver([answer(204)]);
  expect(await store.remove(key, never)).toBe('removed');
  expect(server.received).toHaveLength(1);
  expect(server.received[0]).toMatchObject({ method: 'DELETE', url: `/pairs/${key}` });
  expect(server.received[0]?.headers.authorization).toMatch(
    /SignedHeaders=host;x-amz-content-sha256;x-amz-date,/,
  );
});

it('tells when the bucket keeps a version of what it hides', async () => {
  const { store } = await storeOver([
    answer(204, '', { 'x-amz-delete-marker': 'true', 'x-amz-version-id': 'v2' }),
  ]);
  expect(await store.remove(key, never)).toBe('version-kept');
});

it('finds no fault in an object that is not there, but in a bucket that is not', async () => {
  const { store } = await storeOver([refusal(404, 'NoSuchKey'), refusal(404, 'NoSuchBucket')]);
  expect(await store.remove(key, never)).toBe('removed');
  expect(await faultOf(store.remove(key, never))).toMatchObject({
    kind: 'bucket',
    cure: expect.stringContaining('create the bucket pairs') as string,
  });
});

it('asks again after 503', async () => {
  const { server, store } = await storeOver([refusal(503, 'SlowDown'), answer(204)]);
  expect(await store.remove(key, never)).toBe('removed');
  expect(server.received).toHaveLength(2);
});

it('names the permission that is missing', async () => {
  const { store } = await storeOver([refusal(403, 'AccessDenied')]);
  expect(await faultOf(store.remove(key, never))).toMatchObject({
    kind: 'permission',
    cure: expect.stringContaining('s3:DeleteObject') as string,
  });
});
