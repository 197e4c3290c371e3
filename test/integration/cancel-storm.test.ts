import { expect, test } from 'vitest';
import { startCancelStorm } from '../_support/cancel-storm.ts';

test('500 callers that leave at random moments leave nothing behind in the service', async () => {
  await using storm = await startCancelStorm({ cuts: false });
  await storm.rage(50);
  const before = await storm.holdings();
  const ended = await storm.rage(500);
  // Cut connections are in test/soak/cancels.ts: Node may take 80 s to see them.
  expect(Object.keys(ended)).toEqual(expect.arrayContaining(['CANCELLED', 'DEADLINE_EXCEEDED']));
  const after = await storm.holdings();
  expect(after.enginesStarted).toBeGreaterThan(before.enginesStarted);
  const { handles, sessions, enginesRunning, processListeners } = before;
  expect(after).toMatchObject({ handles, sessions, enginesRunning, processListeners });
  expect([sessions, enginesRunning]).toEqual([1, 0]);
}, 120_000);
