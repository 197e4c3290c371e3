import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createLineBudget } from './line-budget.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

test('writes so many lines in a period, and then says how many it left out', () => {
  const written: number[] = [];
  const budget = createLineBudget(2, 1_000);
  const spend = (times: number): void => {
    for (let time = 0; time < times; time += 1) budget.spend((leftOut) => written.push(leftOut));
  };
  spend(5);
  expect(written).toEqual([0, 0]);
  vi.advanceTimersByTime(999);
  spend(1);
  vi.advanceTimersByTime(1);
  spend(2);
  expect(written).toEqual([0, 0, 4, 0]);
});
