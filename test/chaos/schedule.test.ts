import { expect, it } from 'vitest';
import { ALL_KINDS, planFaults } from './schedule.ts';

const kindsOf = (schedule: ReturnType<typeof planFaults>) =>
  Object.values(schedule).flatMap((faults) => faults.map(({ kind }) => kind));

it('is a function of the seed', () => {
  const options = { windowMs: 600_000, ackWaitMs: 30_000 };
  expect(planFaults({ seed: 7, ...options })).toEqual(planFaults({ seed: 7, ...options }));
  expect(planFaults({ seed: 7, ...options })).not.toEqual(planFaults({ seed: 8, ...options }));
});

it.each([1, 2, 3])('has more than 150 faults of every kind in half an hour (seed %i)', (seed) => {
  const kinds = kindsOf(planFaults({ seed, windowMs: 30 * 60_000, ackWaitMs: 30_000 }));
  expect(kinds.length).toBeGreaterThan(150);
  expect(new Set(kinds)).toEqual(new Set(ALL_KINDS));
});

it('keeps within its window, and stops the archiver for longer than ack_wait', () => {
  const schedule = planFaults({ seed: 3, windowMs: 600_000, ackWaitMs: 30_000 });
  for (const faults of Object.values(schedule)) {
    const total = faults.reduce((sum, { gapMs, durationMs }) => sum + gapMs + durationMs, 0);
    expect(total).toBeLessThanOrEqual(600_000);
  }
  const long = schedule.archiver.filter(({ kind }) => kind === 'archiver-long-pause');
  expect(Math.min(...long.map(({ durationMs }) => durationMs))).toBeGreaterThan(30_000);
});
