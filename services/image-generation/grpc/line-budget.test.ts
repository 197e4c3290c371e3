import { expect, test } from 'vitest';
import { createLineBudget } from './line-budget.ts';

test('a burst is let through, then a steady rate, and the next line tells what was left out', () => {
  let nowMs = 0;
  const budget = createLineBudget({ burst: 3, perSecond: 2, now: () => nowMs });
  const take = (): number | undefined => budget.take(1)?.suppressed;
  expect([take(), take(), take()]).toEqual([0, 0, 0]);
  expect([take(), take()]).toEqual([undefined, undefined]);
  nowMs += 500;
  expect([take(), take()]).toEqual([2, undefined]);
  nowMs += 60_000;
  expect([take(), take(), take(), take()]).toEqual([1, 0, 0, undefined]);
});

test('kinds do not take from one another', () => {
  const budget = createLineBudget({ burst: 1, perSecond: 1, now: () => 0 });
  expect(budget.take(1)).toEqual({ suppressed: 0 });
  expect(budget.take(1)).toBeUndefined();
  expect(budget.take(2)).toEqual({ suppressed: 0 });
});
