import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createPendingWork } from './pending-work.ts';

it('waits for work that is added while it waits, and for work that fails', async () => {
  const { add, settled } = createPendingWork();
  const done: string[] = [];
  add(delay(10).then(() => add(delay(20).then(() => done.push('second')))));
  add(Promise.reject(new Error('failed')));
  await settled(5_000);
  expect(done).toEqual(['second']);
});

it('waits no longer than its deadline', async () => {
  const { add, settled } = createPendingWork();
  add(new Promise(() => {}));
  const started = performance.now();
  await settled(30);
  expect(performance.now() - started).toBeLessThan(2_000);
});
