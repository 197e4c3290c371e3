import { createHash } from 'node:crypto';
import { AwsClient } from 'aws4fetch';
import { request } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import { BUCKET, REGION, runningS3 } from './_support/running-s3.ts';
import { EXAMPLE_CREDENTIAL, reply } from './_support/signed-form.ts';

const tests = runningS3();
afterEach(() => tests.cleanUp());

interface Attempt {
  readonly method?: string;
  readonly path?: string;
  readonly body?: string;
  readonly headers?: Record<string, string>;
  readonly client?: Partial<ConstructorParameters<typeof AwsClient>[0]>;
  /** Headers put on after signing. */
  readonly smuggled?: Record<string, string>;
  /** Between the clocks of client and server, ms. */
  readonly skewMs?: number;
}

async function attempt({
  method = 'GET',
  path = '/k',
  body,
  headers = {},
  client = {},
  smuggled = {},
  skewMs = 0,
}: Attempt) {
  const now = new Date('2026-01-02T03:04:05Z');
  const s3 = await tests.start({ clock: () => new Date(now.getTime() + skewMs) });
  await s3.objects.set(BUCKET, 'k', 'body');
  const signer = new AwsClient({ ...EXAMPLE_CREDENTIAL, service: 's3', region: REGION, ...client });
  const signed = await signer.sign(`${s3.endpoint}/${BUCKET}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
    aws: { datetime: '20260102T030405Z' },
  });
  const answer = await request(signed.url, {
    method: method as 'GET',
    headers: { ...Object.fromEntries(signed.headers), ...smuggled },
    ...(body === undefined ? {} : { body }),
  });
  const { status, tag } = reply(answer.statusCode, answer.headers, await answer.body.text());
  return { verdict: status < 300 ? String(status) : `${status} ${tag('Code')}`, tag, s3 };
}

describe('a signed request', () => {
  test.each<[string, Attempt, string]>([
    ['as it should be', {}, '200'],
    ['with another secret', { client: { secretAccessKey: 'x' } }, '403 SignatureDoesNotMatch'],
    ['with an unknown key id', { client: { accessKeyId: 'AKIAUNKNOWN' } }, '403 InvalidAccessKeyId'],
    ['with a token nobody gave out', { client: { sessionToken: 'x' } }, '400 InvalidToken'],
    ['for another region', { client: { region: 'eu-west-1' } }, '400 AuthorizationHeaderMalformed'],
    [
      'for another service',
      { client: { service: 'sqs' }, headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } },
      '400 AuthorizationHeaderMalformed',
    ],
    ['with a header smuggled in', { smuggled: { 'x-amz-acl': 'public-read' } }, '403 AccessDenied'],
    [
      'with another kind of authorization',
      { smuggled: { authorization: 'Bearer x' } },
      '400 InvalidArgument',
    ],
    [
      'with a header changed',
      { headers: { 'x-amz-meta-a': '1' }, smuggled: { 'x-amz-meta-a': '2' } },
      '403 SignatureDoesNotMatch',
    ],
    ['14 minutes late', { skewMs: 14 * 60_000 }, '200'],
    ['16 minutes late', { skewMs: 16 * 60_000 }, '403 RequestTimeTooSkewed'],
    ['16 minutes early', { skewMs: -16 * 60_000 }, '403 RequestTimeTooSkewed'],
    ['for a subresource it does not know', { path: '/k?torrent' }, '501 NotImplemented'],
    ['for a subresource of the bucket it does not know', { path: '?lifecycle' }, '501 NotImplemented'],
    ['for the old kind of listing', { path: '' }, '501 NotImplemented'],
    ['that deletes many', { method: 'POST', path: '?delete', body: '<Delete/>' }, '501 NotImplemented'],
    ['beyond the end', { headers: { range: 'bytes=4-' } }, '416 InvalidRange'],
    ['for the last bytes', { headers: { range: 'bytes=-2' } }, '206'],
    ['by a method S3 does not have', { method: 'PATCH' }, '405 MethodNotAllowed'],
  ])('%s is answered %s', async (_name, plan, expected) => {
    expect((await attempt(plan)).verdict).toBe(expected);
  });

  test('too far off the clock is told the time', async () => {
    const { tag } = await attempt({ skewMs: 16 * 60_000 });
    expect([tag('RequestTime'), tag('ServerTime')]).toEqual(['20260102T030405Z', '2026-01-02T03:20:05.000Z']);
  });
});

describe('a PUT', () => {
  const put = { method: 'PUT', path: '/new', body: 'content' } as const;
  const sha256 = (text: string, encoding: 'hex' | 'base64') =>
    createHash('sha256').update(text).digest(encoding);

  test.each<[string, Record<string, string>, string]>([
    ['the hash of its body', { 'x-amz-content-sha256': sha256('content', 'hex') }, '200'],
    ['no hash', { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }, '200'],
    [
      'the hash of another body',
      { 'x-amz-content-sha256': sha256('other', 'hex') },
      '400 XAmzContentSHA256Mismatch',
    ],
    [
      'a streaming signature',
      { 'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' },
      '501 NotImplemented',
    ],
    ['the checksum of another body', { 'x-amz-checksum-sha256': sha256('other', 'base64') }, '400 BadDigest'],
    ['an ACL that does not exist', { 'x-amz-acl': 'everybody' }, '400 InvalidArgument'],
    ['a source to copy', { 'x-amz-copy-source': '/a/b' }, '501 NotImplemented'],
  ])('with %s is answered %s', async (_name, headers, expected) => {
    const { verdict, s3 } = await attempt({ ...put, headers });
    expect(verdict).toBe(expected);
    expect(await s3.objects.keys(BUCKET)).toEqual(expected === '200' ? ['k', 'new'] : ['k']);
  });
});
