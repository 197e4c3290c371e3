import { once } from 'node:events';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { type ClientRequest, request as httpRequest } from 'node:http';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { LocalS3 } from './local-s3.ts';
import type { RequestRecord } from './request-log.ts';
import { BUCKET, REGION, runningS3 } from './_support/running-s3.ts';
import {
  BOUNDARY,
  encodeForm,
  EXAMPLE_CREDENTIAL,
  type FormPlan,
  sendForm,
  signForm,
} from './_support/signed-form.ts';

const tests = runningS3();
afterEach(() => tests.cleanUp());

const form = (key: string, plan: Partial<FormPlan> = {}) =>
  signForm({ bucket: BUCKET, region: REGION, now: new Date(), ...plan, fields: { key, ...plan.fields } });

const upload = (s3: LocalS3, key: string, content: string | Uint8Array = key) =>
  sendForm(`${s3.endpoint}/${BUCKET}`, form(key), { content });

describe('an object', () => {
  test('is a plain file, with what is known of it beside', async () => {
    const directory = await tests.directory();
    const s3 = await tests.start({ directory });
    await upload(s3, 'customers/a.jpg', 'bytes');
    expect(await readFile(join(directory, BUCKET, 'customers/a.jpg'), 'utf8')).toBe('bytes');
    const metadata = await readFile(join(directory, '.metadata', BUCKET, 'customers/a.jpg.json'), 'utf8');
    expect(JSON.parse(metadata)).toMatchObject({
      acl: 'private',
      headers: { 'content-type': 'binary/octet-stream' },
    });
  });

  test('outlives the server', async () => {
    const directory = await tests.directory();
    const first = await tests.start({ directory });
    await upload(first, 'a/b', 'old');
    await upload(first, 'a/b', 'new');
    const before = await first.objects.get(BUCKET, 'a/b');
    await first.stop();
    const second = await tests.start({ directory });
    expect(await second.objects.get(BUCKET, 'a/b')).toEqual(before);
    expect(before?.body.toString()).toBe('new');
  });

  test('half received when the server died leaves nothing behind', async () => {
    const directory = await tests.directory();
    const first = await tests.start({ directory });
    const half = await sendHalf(first, 'cut', 100_000);
    await vi.waitFor(async () => expect(await readdir(join(directory, '.temporary'))).toHaveLength(1));
    await first.stop();
    expect((await half.failed).code).toBe('ECONNRESET');
    expect(await readdir(join(directory, '.temporary'))).toEqual([]);
    await writeFile(join(directory, '.temporary', 'of-a-crash'), 'x');
    const second = await tests.start({ directory });
    expect(await second.objects.keys(BUCKET)).toEqual([]);
    expect(await readdir(join(directory, '.temporary'))).toEqual([]);
  });

  test('can be set, read, opened to the public, corrupted and deleted behind the back of S3', async () => {
    const s3 = await tests.start();
    await s3.objects.set(BUCKET, 'k', 'body', { contentType: 'text/plain', userMetadata: { a: '1' } });
    const before = await s3.objects.get(BUCKET, 'k');
    await s3.objects.setAcl(BUCKET, 'k', 'public-read');
    await s3.objects.corrupt(BUCKET, 'k');
    const after = await s3.objects.get(BUCKET, 'k');
    expect(after).toEqual({ ...before, acl: 'public-read', body: expect.anything() });
    expect(after?.body).toHaveLength(4);
    expect(after?.body).not.toEqual(before?.body);
    await s3.objects.delete(BUCKET, 'k');
    expect(await s3.objects.get(BUCKET, 'k')).toBeUndefined();
  });
});

describe('keys', () => {
  test.each([
    '../escape',
    'a/../../escape',
    '/absolute',
    'a//b',
    './a',
    'a/',
    'nul\0byte',
    `${'x'.repeat(251)}/a`,
  ])('like %j never leave the folder of the bucket', async (key) => {
    const directory = await tests.directory();
    const s3 = await tests.start({ directory: join(directory, 'data') });
    expect((await upload(s3, key)).tag('Code')).toBe('InvalidArgument');
    const raw = await rawRequest(
      s3,
      `PUT /${BUCKET}/${encodeURIComponent(key)} HTTP/1.1\r\nContent-Length: 0`,
    );
    expect(raw).toContain('HTTP/1.1 403');
    expect(await readdir(directory)).toEqual(['data']);
    expect(await s3.objects.keys(BUCKET)).toEqual([]);
    expect(await s3.objects.keys(BUCKET, '../')).toEqual([]);
  });

  test('may not be folders of other keys', async () => {
    const s3 = await tests.start();
    expect((await upload(s3, 'a/b')).status).toBe(204);
    expect((await upload(s3, 'a')).tag('Code')).toBe('InvalidArgument');
    expect((await upload(s3, 'a/b/c')).tag('Code')).toBe('InvalidArgument');
    expect((await s3.objects.get(BUCKET, 'a/b'))?.body.toString()).toBe('a/b');
  });

  test('may have 1024 bytes', async () => {
    const s3 = await tests.start();
    const key = (bytes: number) => 'k/'.repeat(bytes / 2 - 1).padEnd(bytes, 'k');
    expect((await upload(s3, key(1024))).status).toBe(204);
    expect((await upload(s3, key(1026))).tag('Code')).toBe('KeyTooLongError');
  });
});

describe('somebody without credentials', () => {
  const get = async (s3: LocalS3, key: string, method = 'GET') =>
    (
      await fetch(`${s3.endpoint}/${BUCKET}/${key}`, {
        method,
        ...(method === 'GET' ? { headers: { range: 'bytes=0-0' } } : {}),
      })
    ).status;

  test('may read what is public by its ACL and nothing else', async () => {
    const s3 = await tests.start();
    await s3.objects.set(BUCKET, 'private', 'x');
    await s3.objects.set(BUCKET, 'public', 'x', { acl: 'public-read' });
    await s3.objects.set(BUCKET, 'accounts', 'x', { acl: 'authenticated-read' });
    expect(await get(s3, 'private')).toBe(403);
    expect(await get(s3, 'private', 'HEAD')).toBe(403);
    expect(await get(s3, 'accounts')).toBe(403);
    expect(await get(s3, 'missing')).toBe(403);
    expect(await get(s3, 'public')).toBe(206);
    expect(await get(s3, 'public', 'HEAD')).toBe(200);
    expect(await get(s3, 'public?acl')).toBe(403);
    expect(await get(s3, 'public', 'DELETE')).toBe(403);
    expect(await get(s3, '')).toBe(403);
    expect(s3.requests.every(({ anonymous }) => anonymous)).toBe(true);
  });

  test('may read everything in a bucket that a policy opens, but not learn what is missing', async () => {
    const s3 = await tests.start({ buckets: [{ name: BUCKET, publicRead: true }] });
    await s3.objects.set(BUCKET, 'private', 'x');
    expect([await get(s3, 'private'), await get(s3, 'missing')]).toEqual([206, 403]);
  });

  test.each([
    { objectOwnership: 'BucketOwnerEnforced' },
    { publicRead: true, publicAccessBlock: true },
  ] as const)('may read nothing in a bucket with %j', async (settings) => {
    const s3 = await tests.start({ buckets: [{ name: BUCKET, ...settings }] });
    await s3.objects.set(BUCKET, 'k', 'x', { acl: 'public-read' });
    expect(await get(s3, 'k')).toBe(403);
  });
});

describe('the server', () => {
  test('takes uploads side by side, also of one key', async () => {
    const s3 = await tests.start();
    const keys = Array.from({ length: 60 }, (_, index) => `k/${index % 20}`);
    const answers = await Promise.all(
      keys.map((key, index) => upload(s3, key, `${key} ${index} ${'x'.repeat(50_000)}`)),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204]));
    for (const key of new Set(keys)) {
      const object = await s3.objects.get(BUCKET, key);
      const same = answers.filter(({ headers }) => headers['etag'] === `"${object?.etag}"`);
      expect(object?.body.toString().startsWith(`${key} `)).toBe(true);
      expect(same).toHaveLength(1);
    }
  });

  test('writes a large file while it arrives instead of holding it', async () => {
    const directory = await tests.directory();
    const s3 = await tests.start({ directory });
    const bytes = 20 * 2 ** 20;
    const before = process.memoryUsage().arrayBuffers;
    let peak = 0;
    const half = await sendHalf(s3, 'large', bytes, () => {
      peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
    });
    await vi.waitFor(async () => {
      const [file] = await readdir(join(directory, '.temporary'));
      expect((await stat(join(directory, '.temporary', file ?? 'none'))).size).toBeGreaterThan(
        bytes / 2 - 2 ** 20,
      );
    });
    expect(await half.finish()).toBe(204);
    expect((await s3.objects.get(BUCKET, 'large'))?.body).toHaveLength(bytes);
    expect(peak).toBeLessThan(2 * bytes);
  });

  test('exchanges its credentials while it runs', async () => {
    const s3 = await tests.start();
    expect((await upload(s3, 'a')).status).toBe(204);
    s3.setCredentials([{ ...EXAMPLE_CREDENTIAL, secretAccessKey: 'rotated' }]);
    expect((await upload(s3, 'b')).tag('Code')).toBe('SignatureDoesNotMatch');
    s3.setCredentials([EXAMPLE_CREDENTIAL]);
    expect((await upload(s3, 'c')).status).toBe(204);
  });

  test('goes away and comes back on the same port', async () => {
    const s3 = await tests.start();
    await upload(s3, 'a');
    await s3.pause();
    await s3.pause();
    await expect(upload(s3, 'b')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await s3.resume();
    expect((await upload(s3, 'c')).status).toBe(204);
    expect(await s3.objects.keys(BUCKET)).toEqual(['a', 'c']);
  });

  test('stops twice, and for good', async () => {
    const s3 = await tests.start();
    await Promise.all([s3.stop(), s3.stop()]);
    await expect(s3.resume()).rejects.toThrow('stopped');
    await expect(upload(s3, 'a')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('tells of each request once, without secrets, and forgets the oldest', async () => {
    const told: RequestRecord[] = [];
    const s3 = await tests.start({ maxRequests: 2, log: (record) => told.push(record) });
    for (const key of ['a', 'b', 'c']) await upload(s3, key);
    expect(told.map(({ key, status }) => [key, status])).toEqual([
      ['a', 204],
      ['b', 204],
      ['c', 204],
    ]);
    expect(s3.requests).toEqual(told.slice(1));
    expect(told[0]?.bytesReceived).toBe(encodeForm(form('a'), { content: 'a' }).length);
    expect(JSON.stringify(told)).not.toContain(EXAMPLE_CREDENTIAL.accessKeyId);
  });

  test('gives up on a body that stops arriving', async () => {
    const s3 = await tests.start({ bodyIdleTimeoutMs: 50 });
    const half = await sendHalf(s3, 'slow', 1000);
    expect(await half.answered).toBe(400);
    expect(s3.requests).toMatchObject([{ errorCode: 'RequestTimeout', key: 'slow' }]);
  });

  test('gives up on the rest of a refused body that stops arriving', async () => {
    const s3 = await tests.start({ bodyIdleTimeoutMs: 50, credentials: [] });
    const half = await sendHalf(s3, 'slow', 1000);
    expect(await half.answered).toBe(403);
    expect(s3.requests).toMatchObject([{ errorCode: 'InvalidAccessKeyId' }]);
  });

  test('shows in its log what broke inside it', async () => {
    const directory = await tests.directory();
    const s3 = await tests.start({ directory });
    await s3.objects.set(BUCKET, 'k', 'x', { acl: 'public-read' });
    await writeFile(join(directory, '.metadata', BUCKET, 'k.json'), 'not JSON');
    expect((await fetch(`${s3.endpoint}/${BUCKET}/k`)).status).toBe(500);
    expect(s3.requests).toMatchObject([{ errorCode: 'InternalError', failure: expect.any(SyntaxError) }]);
  });

  test('refuses names that cannot be buckets', async () => {
    await expect(tests.start({ buckets: [{ name: '../up' }] })).rejects.toThrow('not a bucket name');
    await expect(tests.start({ buckets: [{ name: '.metadata' }] })).rejects.toThrow('not a bucket name');
  });
});

/** Sends half of a form's file and stops. */
async function sendHalf(s3: LocalS3, key: string, fileBytes: number, onChunk: () => void = () => undefined) {
  const body = encodeForm(form(key), { content: '' });
  const end = Buffer.from(`\r\n--${BOUNDARY}--\r\n`);
  const head = body.subarray(0, body.length - end.length);
  const call = httpRequest(`${s3.endpoint}/${BUCKET}`, {
    method: 'POST',
    headers: {
      'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
      'content-length': head.length + fileBytes + end.length,
    },
  });
  const answered = once(call, 'response').then(([response]) => {
    response.resume();
    return response.statusCode as number;
  });
  const failed = answered.then(
    () => ({ code: 'answered' }),
    (error: NodeJS.ErrnoException) => ({ code: error.code }),
  );
  call.write(head);
  await writeBytes(call, fileBytes / 2, onChunk);
  return {
    answered,
    failed,
    async finish() {
      await writeBytes(call, fileBytes / 2, onChunk);
      call.end(end);
      return answered;
    },
  };
}

async function writeBytes(call: ClientRequest, bytes: number, onChunk: () => void): Promise<void> {
  const chunk = Buffer.alloc(Math.min(bytes, 2 ** 16), 7);
  for (let left = bytes; left > 0; left -= chunk.length) {
    onChunk();
    if (!call.write(chunk.subarray(0, left))) await once(call, 'drain');
  }
}

/** One request as raw text: clients normalise paths before they send them. */
async function rawRequest(s3: LocalS3, head: string): Promise<string> {
  const socket = createConnection(Number(new URL(s3.endpoint).port), '127.0.0.1');
  socket.end(`${head}\r\nHost: x\r\nConnection: close\r\n\r\n`);
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}
