import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createBreaker, type Permit } from './breaker.ts';

const never = new AbortController().signal;
const backoff = { baseMs: 1_000, maxMs: 8_000, random: () => 0 };

describe('breaker', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  const enter = async (breaker: ReturnType<typeof createBreaker>): Promise<Permit> => {
    const permit = await breaker.enter(never);
    if (permit === undefined) throw new Error('not admitted');
    return permit;
  };

  it('lets one probe through after the delay and everyone after its success', async () => {
    const breaker = createBreaker(backoff);
    (await enter(breaker)).settle({ target: 'faulty' });
    const admitted: Permit[] = [];
    for (let i = 0; i < 3; i += 1) void enter(breaker).then((permit) => admitted.push(permit));
    await vi.advanceTimersByTimeAsync(499);
    expect(admitted).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(admitted).toHaveLength(1);
    admitted[0]?.settle({ target: 'good' });
    await vi.advanceTimersByTimeAsync(0);
    expect(admitted).toHaveLength(3);
    expect(breaker.closed).toBe(true);
  });

  it('waits longer after each failed probe, and as long as the target asks', async () => {
    const breaker = createBreaker(backoff);
    (await enter(breaker)).settle({ target: 'faulty' });
    expect(breaker.openForMs).toBe(500);
    await vi.advanceTimersByTimeAsync(500);
    (await enter(breaker)).settle({ target: 'faulty' });
    expect(breaker.openForMs).toBe(1_000);
    await vi.advanceTimersByTimeAsync(1_000);
    (await enter(breaker)).settle({ target: 'faulty', retryAfterMs: 30_000 });
    expect(breaker.openForMs).toBe(30_000);
  });

  it('takes faults of work begun together for one, and revokes the other permits', async () => {
    const breaker = createBreaker(backoff);
    const [first, second, third] = [await enter(breaker), await enter(breaker), await enter(breaker)];
    first.settle({ target: 'faulty' });
    expect(second.revoked).toBe(true);
    second.settle({ target: 'faulty' });
    third.settle({ target: 'unknown' });
    expect(breaker.openForMs).toBe(500);
  });

  it('lets the next probe through when one ended without an answer', async () => {
    const breaker = createBreaker(backoff);
    (await enter(breaker)).settle({ target: 'faulty' });
    await vi.advanceTimersByTimeAsync(500);
    (await enter(breaker)).settle({ target: 'unknown' });
    const probe = await enter(breaker);
    expect(probe.revoked).toBe(false);
    expect(breaker.closed).toBe(false);
  });

  it('lets nobody wait who is aborted', async () => {
    const breaker = createBreaker(backoff);
    (await enter(breaker)).settle({ target: 'faulty' });
    const abort = new AbortController();
    const waiting = breaker.enter(abort.signal);
    abort.abort();
    expect(await waiting).toBeUndefined();
  });
});
