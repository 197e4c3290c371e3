import { describe, expect, test } from 'vitest';
import { boundOf, compared, flat, quantile } from './figures.ts';

const curve = { along: 'images archived before', of: 'service', at: 1_000, from: 10 };
const flatness = (ours: readonly number[], baseline: readonly number[]) =>
  flat({ what: 'cost', unit: 'ms', ours }, curve, baseline);

describe('a cost is flat', () => {
  const steady = [2, 2, 2, 2, 2];

  test('when its median grows by no more than 10 %, with a baseline that never differs', () => {
    expect(flatness([2.2, 2.2, 2.2, 2.2, 2.2], steady).verdict).toBe('ok');
    expect(flatness([2.21, 2.21, 2.21, 2.21, 2.21], steady).verdict).toBe('short of target');
  });

  test('within half of what the baseline differs by on top', () => {
    const baseline = [1.9, 2, 2, 2, 2.1];
    const { target, verdict } = flatness([2.3, 2.3, 2.3, 2.3, 2.3], baseline);
    expect(target && boundOf(target)).toBeCloseTo(1.15);
    expect(verdict).toBe('ok');
    expect(flatness([2.32, 2.32, 2.32, 2.32, 2.32], baseline).verdict).toBe('short of target');
  });

  test('by the median of the rounds, so that one slow round decides nothing', () => {
    expect(flatness([2, 2, 2, 2, 9], steady).verdict).toBe('ok');
  });

  test('not said when the baseline differs too much from itself, or has no value', () => {
    expect(flatness(steady, [1, 2, 2, 2, 2.4]).verdict).toBe('too noisy');
    expect(flatness(steady, [0, 0, 0, 0, 0]).verdict).toBe('too noisy');
  });

  test('when it falls', () => expect(flatness([1, 1, 1, 1, 1], steady).verdict).toBe('ok'));
});

test('a ratio is taken in each round, and the median of them decides', () => {
  const measured = { what: 'rate', unit: '/s', ours: [90, 10, 190], target: { atLeast: 0.9 } };
  const { against, verdict } = compared(measured, 'theirs', [100, 10, 200]);
  expect(against?.ratio).toEqual({ median: 0.95, min: 0.9, max: 1 });
  expect(verdict).toBe('ok');
});

test('quantiles lie between the two nearest values', () => {
  expect([quantile([4, 1, 3, 2], 0.5), quantile([1, 2], 1), quantile([7], 0.99)]).toEqual([2.5, 2, 7]);
});
