import { describe, expect, it } from 'vitest';
import { createByteBudget } from './byte-budget.ts';

const never = new AbortController().signal;

describe('byte budget', () => {
  it('admits in order of arrival, never beyond its size', async () => {
    const budget = createByteBudget(10);
    const admitted: string[] = [];
    const first = await budget.acquire(6, never);
    const second = budget.acquire(6, never).then((lease) => (admitted.push('second'), lease));
    const third = budget.acquire(1, never).then((lease) => (admitted.push('third'), lease));
    await Promise.resolve();
    expect(admitted).toEqual([]);
    expect(budget.bytesInUse).toBe(6);
    first.release();
    first.release();
    (await second).release();
    (await third).release();
    expect(admitted).toEqual(['second', 'third']);
    expect(budget.bytesInUse).toBe(0);
  });

  it('lets a giant through when it is alone', async () => {
    const budget = createByteBudget(10);
    const small = await budget.acquire(1, never);
    const giant = budget.acquire(1_000, never);
    small.release();
    expect(budget.bytesInUse).toBe(10);
    (await giant).release();
    expect(budget.bytesInUse).toBe(0);
  });

  it('gives back what a lease shrinks by, once', async () => {
    const budget = createByteBudget(10);
    const first = await budget.acquire(10, never);
    const second = budget.acquire(6, never);
    first.shrinkTo(4);
    first.shrinkTo(8);
    await second;
    expect(budget.bytesInUse).toBe(10);
    first.release();
    expect(budget.bytesInUse).toBe(6);
  });

  it('gives up the place of a waiter that is aborted, for those behind it', async () => {
    const budget = createByteBudget(10);
    const held = await budget.acquire(5, never);
    const abort = new AbortController();
    const big = budget.acquire(10, abort.signal);
    const small = budget.acquire(5, never);
    abort.abort(new Error('stopped'));
    await expect(big).rejects.toThrow('stopped');
    await small;
    expect(budget.bytesInUse).toBe(10);
    held.release();
    await expect(budget.acquire(1, abort.signal)).rejects.toThrow('stopped');
  });
});
