import { randomBytes } from 'node:crypto';
import { afterEach, expect, it } from 'vitest';
import { EventFault } from '../../proto/archive-event.ts';
import type { TargetFault } from '../object-store.ts';
import { type CredentialProvider, staticProvider } from './credentials/credential-provider.ts';
import type { Credentials } from './sigv4.ts';
import { answer, refusal, resetAfter, silence, type Step, stored } from './testing/scripted-store.ts';
import {
  closeOpened,
  faultOf,
  key,
  never,
  objectOf,
  opened,
  storeOver,
  temporary,
} from './testing/store-over.ts';

afterEach(closeOpened);

/** Gives out each of the credentials in turn. */
function rotating(first: Credentials, ...others: Credentials[]): CredentialProvider {
  let current = first;
  return {
    get: async () => current,
    replace: async () => {
      current = others.shift() ?? current;
      return current;
    },
  };
}

it.each<[string, Step]>([
  ['503 SlowDown', refusal(503, 'SlowDown')],
  ['503 without a body', answer(503)],
  ['429', answer(429, 'too many')],
  ['500 InternalError', refusal(500, 'InternalError')],
  ['500 with garbage instead of XML', answer(500, '<Error><Code>AccessDenied</Message>')],
  ['502 of a proxy', answer(502, '<html><body>Bad Gateway</body></html>')],
  ['400 RequestTimeout', refusal(400, 'RequestTimeout')],
  ['400 IncompleteBody', refusal(400, 'IncompleteBody')],
  ['409 OperationAborted', refusal(409, 'OperationAborted')],
  ['400 BadDigest', refusal(400, 'BadDigest')],
  ['200 that carries an error', refusal(200, 'InternalError')],
  ['a reset before the answer', resetAfter(1)],
  ['a reset in the middle of the body', resetAfter(300_000)],
  [
    'a reset in the middle of the answer',
    async ({ body, response }) => {
      await body();
      response.writeHead(200, { 'content-length': '1000' }).write('<PostResponse>');
      setImmediate(() => response.destroy());
    },
  ],
])('tries again after %s, with a fresh form', async (_, failure) => {
  const { server, store } = await storeOver([failure, stored]);
  const object = objectOf(randomBytes(1_000_000));
  await store.put(object, never);
  expect(server.received).toHaveLength(2);
  expect(server.received[1]?.file?.equals(object.body)).toBe(true);
  expect(server.received[1]?.headers['content-type']).not.toBe(server.received[0]?.headers['content-type']);
});

it.each([
  ['no answer begins in time', { headersMs: 150 }],
  ['one attempt takes too long', { attemptMs: 150 }],
])('tries again when %s', async (_, timeouts) => {
  const { server, store } = await storeOver([silence, stored], { timeouts });
  await store.put(objectOf(), never);
  // On a busy machine, a good answer may come too late as well.
  expect(server.received.length).toBeGreaterThanOrEqual(2);
});

it.each<[number, string, string, TargetFault['kind'], RegExp]>([
  [403, 'AccessDenied', '', 'permission', /s3:PutObject and s3:PutObjectAcl on pairs\/customers\/\*/],
  [403, 'SignatureDoesNotMatch', '', 'credentials', /AWS_SECRET_ACCESS_KEY/],
  [403, 'InvalidAccessKeyId', '', 'credentials', /AWS_ACCESS_KEY_ID/],
  [400, 'ExpiredToken', '', 'credentials', /session token/],
  [404, 'NoSuchBucket', '', 'bucket', /create the bucket pairs.*S3_BUCKET/],
  [
    400,
    'AccessControlListNotSupported',
    '',
    'configuration',
    /S3_OBJECT_ACL=bucket-owner-full-control or S3_OBJECT_ACL=none/,
  ],
  [501, 'NotImplemented', '', 'configuration', /no POST Object/],
  [405, 'MethodNotAllowed', '', 'configuration', /no POST Object/],
  [301, 'PermanentRedirect', '<Region>eu-west-1</Region>', 'configuration', /S3_REGION=eu-west-1/],
  [400, 'InvalidArgument', '<Region>us-west-1</Region>', 'configuration', /S3_REGION=us-west-1/],
  [400, 'InvalidPolicyDocument', '', 'configuration', /look up the code/],
  [403, 'KMS.DisabledException', '', 'permission', /kms:GenerateDataKey/],
  [
    403,
    'AccessDenied',
    '<Message>Invalid according to Policy: Extra input fields: x</Message>',
    'configuration',
    /report it/,
  ],
  [412, 'PreconditionFailed', '', 'configuration', /proxies/],
])('does not try again after %i %s%s, and names the cure', async (status, code, inside, kind, cure) => {
  const { server, store } = await storeOver([refusal(status, code, inside), stored]);
  const fault = await faultOf(store.put(objectOf(), never));
  expect(fault.kind).toBe(kind);
  expect(fault.cure).toMatch(cure);
  expect(fault.message).toBe(`S3 answered POST ${key} with ${status} ${code} (request id R1)`);
  expect(server.received).toHaveLength(1);
});

it.each<[string, Step]>([
  ['400 EntityTooLarge', refusal(400, 'EntityTooLarge')],
  ['400 EntityTooSmall', refusal(400, 'EntityTooSmall')],
  ['413 of a proxy', answer(413)],
])('takes %s for a fault of the event', async (_, failure) => {
  const { store } = await storeOver([failure]);
  const error: unknown = await store.put(objectOf(), never).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(EventFault);
  expect((error as EventFault).reason).toBe('OBJECT_SIZE_REFUSED');
});

it('classifies an empty 403 by its status', async () => {
  const { store } = await storeOver([answer(403)]);
  expect((await faultOf(store.put(objectOf(), never))).kind).toBe('permission');
});

it.each([
  [400, 'ExpiredToken'],
  [403, 'InvalidToken'],
  [403, 'InvalidAccessKeyId'],
])('takes fresh credentials after %i %s, once', async (status, code) => {
  const fresh = { ...temporary, accessKeyId: 'AKIDFRESH', sessionToken: 'FRESH' };
  const { server, store } = await storeOver([refusal(status, code), stored, refusal(status, code)], {
    credentials: rotating(temporary, fresh),
  });
  await store.put(objectOf(), never);
  expect(server.received[1]?.fields['x-amz-security-token']).toBe('FRESH');
  expect(server.received[1]?.fields['x-amz-credential']).toMatch(/^AKIDFRESH\//);
  expect((await faultOf(store.put(objectOf(), never))).kind).toBe('credentials');
  expect(server.received).toHaveLength(4);
});

it('does not sign with credentials that have ended', async () => {
  const ended = { ...temporary, expiresAt: new Date(Date.now() - 1000) };
  const { server, store } = await storeOver([stored], { credentials: staticProvider(ended) });
  const fault = await faultOf(store.put(objectOf(), never));
  expect(fault.kind).toBe('credentials');
  expect(server.received).toHaveLength(0);
});

const policyExpired = '<Message>Invalid according to Policy: Policy expired.</Message>';

it("dates by the store's clock after a refusal for a slow clock, from then on", async () => {
  const ahead = new Date(Date.now() + 2 * 3600_000);
  const expired = refusal(403, 'AccessDenied', policyExpired, { date: ahead.toUTCString() });
  const { server, store } = await storeOver([expired, stored]);
  await store.put(objectOf(), never);
  await store.put(objectOf(), never);
  const hours = server.received.map(({ fields }) => fields['x-amz-date']?.slice(0, 11));
  const theirs = ahead.toISOString().slice(0, 13).replaceAll('-', '');
  expect(hours[0]).not.toBe(theirs);
  expect(server.received).toHaveLength(3);
  expect(hours[2]).toBe(hours[1]);
  expect(opened.log.match(/clock is wrong/g)).toHaveLength(1);
});

it('gives up on the clock after one more attempt', async () => {
  const { server, store } = await storeOver([refusal(403, 'AccessDenied', policyExpired)]);
  const fault = await faultOf(store.put(objectOf(), never));
  expect(fault.kind).toBe('clock');
  expect(fault.cure).toMatch(/NTP/);
  expect(server.received).toHaveLength(2);
});

it('stops after five attempts and says when the store wants to be asked again', async () => {
  const { server, store } = await storeOver([refusal(503, 'SlowDown', '', { 'retry-after': '0' })]);
  const fault = await faultOf(store.put(objectOf(), never));
  expect(fault.kind).toBe('throttled');
  expect(fault.retryAfterMs).toBe(0);
  expect(server.received).toHaveLength(5);
});

it('waits as long as Retry-After says', async () => {
  const { store } = await storeOver([refusal(503, 'SlowDown', '', { 'retry-after': '1' }), stored]);
  const startedAt = performance.now();
  await store.put(objectOf(), never);
  expect(performance.now() - startedAt).toBeGreaterThan(990);
});

it('gives up at once when the next pause would end after the deadline', async () => {
  const { server, store } = await storeOver([refusal(500, 'InternalError')], {
    timeouts: { deadlineMs: 20_000 },
    pauses: { baseMs: 60_000, maxMs: 60_000 },
  });
  const fault = await faultOf(store.put(objectOf(), never));
  expect(fault.kind).toBe('unavailable');
  expect(server.received).toHaveLength(1);
});

it('stops at the deadline, whatever attempts are left', async () => {
  const { store } = await storeOver([silence], { timeouts: { deadlineMs: 200, attemptMs: 150 } });
  const fault = await faultOf(store.put(objectOf(), never));
  expect(fault.kind).toBe('network');
});

it('calls a store that cannot be reached a network fault', async () => {
  const { server, store } = await storeOver([stored]);
  await server.close();
  const fault = await faultOf(store.put(objectOf(), never));
  expect(fault.kind).toBe('network');
  expect(fault.message).toMatch(/ECONNREFUSED/);
});
