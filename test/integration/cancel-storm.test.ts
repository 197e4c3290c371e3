import { expect, test, vi } from 'vitest';
import { startCancelStorm } from '../_support/cancel-storm.ts';

test('500 callers that leave at random moments leave nothing behind in the service', async () => {
  await using storm = await startCancelStorm({ cuts: false });
  await storm.rage(50);
  const before = await storm.holdings();
  const ended = await storm.rage(500);
  // Cut connections are in test/soak/cancels.ts: Node may take 80 s to see them.
  expect(Object.keys(ended)).toEqual(expect.arrayContaining(['CANCELLED', 'DEADLINE_EXCEEDED']));
  const { handles, sessions, enginesRunning, processListeners } = before;
  // A timer of a ping or of a report may be under way at any one look.
  await vi.waitFor(
    async () =>
      expect(await storm.holdings()).toMatchObject({ handles, sessions, enginesRunning, processListeners }),
    { timeout: 20_000, interval: 500 },
  );
  expect((await storm.holdings()).enginesStarted).toBeGreaterThan(before.enginesStarted);
  expect([sessions, enginesRunning]).toEqual([1, 0]);
}, 120_000);
