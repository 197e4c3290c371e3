import { readdir, readlink } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { Pool } from 'undici';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { LocalS3 } from './local-s3.ts';
import { BUCKET, REGION, runningS3 } from './_support/running-s3.ts';
import { BOUNDARY, encodeForm, sendForm, signForm } from './_support/signed-form.ts';

const tests = runningS3();
const pools: Pool[] = [];
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.destroy()));
  await tests.cleanUp();
});

const form = (key: string) => signForm({ bucket: BUCKET, region: REGION, now: new Date(), fields: { key } });

const upload = (s3: LocalS3, key: string, content: string | Uint8Array = 'content') =>
  sendForm(`${s3.endpoint}/${BUCKET}`, form(key), { content });

const RESET = { code: expect.stringMatching(/^(ECONNRESET|EPIPE|UND_ERR_SOCKET)$/) };

const WAIT = { timeout: 10_000 };

describe('an injected fault', () => {
  test('answers the next requests that fit, then no more', async () => {
    const s3 = await tests.start();
    const order = s3.faults.inject(
      {
        kind: 'answer',
        status: 503,
        code: 'SlowDown',
        message: 'Please reduce your request rate.',
        retryAfterSeconds: 3,
      },
      { times: 2, method: 'POST', keyContains: 'input-' },
    );
    expect((await upload(s3, 'output-1')).status).toBe(204);
    for (let count = 1; count <= 2; count += 1) {
      const answer = await upload(s3, 'input-1');
      expect([answer.status, answer.tag('Code'), answer.headers['retry-after']]).toEqual([
        503,
        'SlowDown',
        '3',
      ]);
      expect(order.hits).toBe(count);
    }
    expect((await upload(s3, 'input-1')).status).toBe(204);
    expect(s3.requests.map(({ status, fault }) => [status, fault])).toEqual([
      [204, undefined],
      [503, 'answer'],
      [503, 'answer'],
      [204, undefined],
    ]);
  });

  test('that ends the connection of a reader closes the file it would have read', async () => {
    const s3 = await tests.start();
    await upload(s3, 'read-me');
    const openFiles = async () => {
      const links = (await readdir('/proc/self/fd')).map((name) =>
        readlink(`/proc/self/fd/${name}`).catch(() => ''),
      );
      return (await Promise.all(links)).filter((path) => path.endsWith('/read-me'));
    };
    await s3.setBucket({ name: BUCKET, publicRead: true });
    s3.faults.inject({ kind: 'reset' }, { method: 'HEAD' });
    s3.faults.inject({ kind: 'store-then-reset' }, { method: 'HEAD' });
    for (let count = 0; count < 2; count += 1) {
      await expect(fetch(`${s3.endpoint}/${BUCKET}/read-me`, { method: 'HEAD' })).rejects.toThrow(
        'fetch failed',
      );
    }
    // A request is recorded when its connection has ended on the server's side as well.
    await vi.waitFor(() => {
      expect(s3.requests.map(({ fault }) => fault)).toEqual([undefined, 'reset', 'store-then-reset']);
    }, WAIT);
    await vi.waitFor(async () => expect(await openFiles()).toEqual([]), WAIT);
  });

  test('can be taken back', async () => {
    const s3 = await tests.start();
    const order = s3.faults.inject(
      { kind: 'answer', status: 500, code: 'InternalError' },
      { times: Infinity },
    );
    s3.faults.inject({ kind: 'answer', status: 502, code: 'BadGateway' });
    expect((await upload(s3, 'k')).status).toBe(500);
    order.remove();
    expect((await upload(s3, 'k')).status).toBe(502);
    s3.faults.inject({ kind: 'stall' });
    s3.faults.clear();
    expect((await upload(s3, 'k')).status).toBe(204);
  });

  test('resets the connection in the middle of the body', async () => {
    const s3 = await tests.start();
    s3.faults.inject({ kind: 'reset', afterBytes: 100_000 });
    await expect(upload(s3, 'k', Buffer.alloc(8_000_000))).rejects.toMatchObject(RESET);
    await vi.waitFor(() =>
      expect(s3.requests).toMatchObject([{ status: undefined, fault: 'reset', key: 'k' }]),
    );
    expect(s3.requests[0]?.bytesReceived).toBeGreaterThanOrEqual(100_000);
    expect(s3.requests[0]?.bytesReceived).toBeLessThan(8_000_000);
    expect(await s3.objects.keys(BUCKET)).toEqual([]);
  });

  test('resets a request without a body', async () => {
    const s3 = await tests.start();
    s3.faults.inject({ kind: 'reset' }, { method: 'GET' });
    await expect(fetch(`${s3.endpoint}/${BUCKET}/k`)).rejects.toThrow('fetch failed');
  });

  test('stores the object and resets instead of answering', async () => {
    const s3 = await tests.start();
    s3.faults.inject({ kind: 'store-then-reset' });
    await expect(upload(s3, 'k')).rejects.toMatchObject(RESET);
    expect(await s3.objects.keys(BUCKET)).toEqual(['k']);
    expect((await upload(s3, 'k')).status).toBe(204);
  });

  test('answers while the body still arrives, on a connection that stays good', async () => {
    const s3 = await tests.start();
    const pool = onePool(s3);
    s3.faults.inject({ kind: 'answer', status: 403, code: 'AccessDenied', beforeBody: true });
    expect(await pool.send('k', 20_000_000)).toBe(403);
    expect(s3.requests[0]?.bytesReceived).toBeLessThan(1_000_000);
    expect(await pool.send('k', 1000)).toBe(204);
  });

  test('answers in the middle of the body and hangs up', async () => {
    const s3 = await tests.start();
    const pool = onePool(s3);
    s3.faults.inject({
      kind: 'answer',
      status: 403,
      code: 'AccessDenied',
      beforeBody: true,
      closeConnection: true,
    });
    // What the client sees, the answer or the reset, is a race; that it must not hang is the point.
    const seen = await pool.send('k', 20_000_000).catch((error: unknown) => error);
    expect(seen === 403 || seen instanceof Error).toBe(true);
    expect(await pool.send('k', 1000)).toBe(204);
  });

  test('stalls for a while before the answer', async () => {
    const s3 = await tests.start();
    s3.faults.inject({ kind: 'stall', forMs: 80 });
    const startedAt = performance.now();
    expect((await upload(s3, 'k')).status).toBe(204);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(75);
  });

  test('stalls until the server stops or pauses', async () => {
    const s3 = await tests.start();
    for (const end of [() => s3.pause().then(() => s3.resume()), () => s3.stop()]) {
      s3.faults.inject({ kind: 'stall' });
      const stalled = upload(s3, 'k').catch((error: unknown) => error);
      await vi.waitFor(async () => expect(await s3.objects.keys(BUCKET)).toEqual(['k']));
      await s3.objects.delete(BUCKET, 'k');
      await end();
      expect(await stalled).toMatchObject(RESET);
    }
    expect(s3.requests.map(({ status }) => status)).toEqual([undefined, undefined]);
  });

  test('takes the body slowly', async () => {
    const s3 = await tests.start();
    s3.faults.inject({ kind: 'slow-drain', bytesPerSecond: 5_000_000 });
    const startedAt = performance.now();
    expect((await upload(s3, 'k', Buffer.alloc(1_000_000))).status).toBe(204);
    expect(performance.now() - startedAt).toBeGreaterThan(100);
  });

  test('closes a connection that looked alive', async () => {
    const s3 = await tests.start();
    s3.faults.inject({ kind: 'close-after-answer' });
    const silent = await upload(s3, 'k');
    expect([silent.status, silent.headers['connection']]).toEqual([204, 'keep-alive']);
    s3.faults.inject({ kind: 'close-after-answer', announced: true });
    expect((await upload(s3, 'k')).headers['connection']).toBe('close');
    const pool = onePool(s3);
    const closed = new Promise((resolve) => {
      pool.pool.once('disconnect', resolve);
    });
    s3.faults.inject({ kind: 'close-after-answer' });
    expect(await pool.send('k', 10)).toBe(204);
    await closed;
  });
});

describe('a refusal', () => {
  test('of a large upload reaches the client on a connection that stays good', async () => {
    const s3 = await tests.start();
    const pool = onePool(s3);
    s3.setCredentials([]);
    expect(await pool.send('k', 20_000_000)).toBe(403);
    expect(s3.requests[0]?.bytesReceived).toBeGreaterThan(20_000_000);
    expect(await pool.send('k', 10)).toBe(403);
    expect(pool.connections()).toBe(1);
  });
});

/** A client with a single connection that is used again. */
function onePool(s3: LocalS3) {
  const pool = new Pool(s3.endpoint, { connections: 1, pipelining: 1 });
  pools.push(pool);
  let connections = 0;
  pool.on('connect', () => {
    connections += 1;
  });
  return {
    pool,
    connections: () => connections,
    async send(key: string, bytes: number): Promise<number> {
      const answer = await pool.request({
        method: 'POST',
        path: `/${BUCKET}`,
        headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
        body: encodeForm(form(key), { content: Buffer.alloc(bytes) }),
      });
      await answer.body.dump();
      return answer.statusCode;
    },
  };
}
