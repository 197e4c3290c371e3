import { expect, it } from 'vitest';
import { createLogger } from '../../../services/runtime/logger.ts';
import type { Credentials } from '../sigv4.ts';
import { cachingProvider } from './credential-provider.ts';

const MINUTE_MS = 60_000;
const logger = createLogger('test', 'silent');

/** A source whose credentials live `lifeMs` and whose calls are settled by hand. */
function scriptedSource(lifeMs: number) {
  const clock = { nowMs: 0 };
  const calls: { succeed(): void; fail(): void }[] = [];
  const source = () =>
    new Promise<Credentials>((resolve, reject) => {
      const accessKeyId = `AKID${calls.length + 1}`;
      calls.push({
        succeed: () =>
          resolve({ accessKeyId, secretAccessKey: 's', expiresAt: new Date(clock.nowMs + lifeMs) }),
        fail: () => reject(new Error('no answer')),
      });
    });
  const provider = cachingProvider(source, { logger, nowMs: () => clock.nowMs });
  const first = async () => {
    const got = provider.get();
    calls[0]?.succeed();
    return got;
  };
  return { clock, calls, provider, first };
}

/** Lets settled promises run their handlers. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

it('fetches once for many callers, and keeps what it got', async () => {
  const { calls, provider } = scriptedSource(60 * MINUTE_MS);
  const waiting = [provider.get(), provider.get(), provider.get()];
  calls[0]?.succeed();
  const got = await Promise.all(waiting);
  expect(new Set(got).size).toBe(1);
  expect(await provider.get()).toBe(got[0]);
  expect(calls).toHaveLength(1);
});

it.each([
  ['five minutes before the end', 60 * MINUTE_MS, 55 * MINUTE_MS],
  ['at three quarters of a short life', 12 * MINUTE_MS, 9 * MINUTE_MS],
])('refreshes in the background %s', async (_, lifeMs, dueMs) => {
  const { clock, calls, provider, first } = scriptedSource(lifeMs);
  const old = await first();
  clock.nowMs = dueMs - 1;
  await provider.get();
  expect(calls).toHaveLength(1);
  clock.nowMs = dueMs;
  expect(await provider.get()).toBe(old);
  expect(await provider.get()).toBe(old);
  expect(calls).toHaveLength(2);
  calls[1]?.succeed();
  await settle();
  expect((await provider.get()).accessKeyId).toBe('AKID2');
});

it('makes callers wait for fresh credentials in the last minute', async () => {
  const { clock, calls, provider, first } = scriptedSource(60 * MINUTE_MS);
  await first();
  clock.nowMs = 59 * MINUTE_MS;
  const got = provider.get();
  calls[1]?.succeed();
  expect((await got).accessKeyId).toBe('AKID2');
});

it('keeps valid credentials when refreshing fails, and does not ask again at once', async () => {
  const { clock, calls, provider, first } = scriptedSource(60 * MINUTE_MS);
  const old = await first();
  clock.nowMs = 59.5 * MINUTE_MS;
  const got = provider.get();
  calls[1]?.fail();
  expect(await got).toBe(old);
  expect(await provider.get()).toBe(old);
  expect(calls).toHaveLength(2);
  clock.nowMs += 1000;
  const again = provider.get();
  expect(calls).toHaveLength(3);
  calls[2]?.succeed();
  expect((await again).accessKeyId).toBe('AKID3');
});

it('does not give out credentials that have ended', async () => {
  const { clock, calls, provider, first } = scriptedSource(60 * MINUTE_MS);
  await first();
  clock.nowMs = 60 * MINUTE_MS;
  const got = provider.get();
  calls[1]?.fail();
  await expect(got).rejects.toThrow('no answer');
});

it('replaces refused credentials once for all who were refused', async () => {
  const { calls, provider, first } = scriptedSource(60 * MINUTE_MS);
  const old = await first();
  const replacing = [provider.replace(old), provider.replace(old)];
  calls[1]?.succeed();
  const [one, other] = await Promise.all(replacing);
  expect(one?.accessKeyId).toBe('AKID2');
  expect(other).toBe(one);
  expect(await provider.replace(old)).toBe(one);
  expect(calls).toHaveLength(2);
});

it('tries again for the next caller when the first fetch failed', async () => {
  const { calls, provider } = scriptedSource(60 * MINUTE_MS);
  const got = provider.get();
  calls[0]?.fail();
  await expect(got).rejects.toThrow('no answer');
  const next = provider.get();
  calls[1]?.succeed();
  expect((await next).accessKeyId).toBe('AKID2');
});
