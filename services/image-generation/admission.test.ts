import { expect, test } from 'vitest';
import { createAdmission } from './admission.ts';
import { OverloadedError, ShuttingDownError } from './errors.ts';

const never = new AbortController().signal;

test('runs as many jobs as allowed and queues the next ones in order', async () => {
  const admission = createAdmission({ maxRunning: 2, maxQueued: 2 });
  const [first, second, third, fourth] = [
    admission.take(),
    admission.take(),
    admission.take(),
    admission.take(),
  ];
  await Promise.all([first.admitted(never), second.admitted(never)]);
  expect([first.position, second.position, third.position, fourth.position]).toEqual([0, 0, 1, 2]);
  const order: string[] = [];
  const waits = [
    fourth.admitted(never).then(() => order.push('fourth')),
    third.admitted(never).then(() => order.push('third')),
  ];
  second.release();
  await waits[1];
  first.release();
  await waits[0];
  expect(order).toEqual(['third', 'fourth']);
  expect([admission.running, admission.queued]).toEqual([2, 0]);
});

test('refuses at once, with a time to come back, when the queue is full', () => {
  const admission = createAdmission({ maxRunning: 1, maxQueued: 0 });
  admission.take();
  expect(() => admission.take()).toThrow(OverloadedError);
});

test('a queued job that is aborted leaves the queue and takes no slot later', async () => {
  const admission = createAdmission({ maxRunning: 1, maxQueued: 1 });
  const running = admission.take();
  const queued = admission.take();
  const abort = new AbortController();
  const waiting = queued.admitted(abort.signal);
  abort.abort(new Error('gone'));
  await expect(waiting).rejects.toThrow('gone');
  queued.release();
  expect(admission.queued).toBe(0);
  running.release();
  expect(admission.running).toBe(0);
  await expect(admission.take().admitted(never)).resolves.toBeUndefined();
});

test('a second release of the same place frees nothing', () => {
  const admission = createAdmission({ maxRunning: 2, maxQueued: 0 });
  const place = admission.take();
  admission.take();
  place.release();
  place.release();
  expect(admission.running).toBe(1);
});

test('after close running jobs go on, queued and new ones are told that the service stops', async () => {
  const admission = createAdmission({ maxRunning: 1, maxQueued: 1 });
  const running = admission.take();
  const waiting = admission.take().admitted(never);
  admission.close();
  await expect(waiting).rejects.toThrow(ShuttingDownError);
  expect(() => admission.take()).toThrow(ShuttingDownError);
  expect(admission.running).toBe(1);
  running.release();
  expect(admission.running).toBe(0);
});

test('those who wait hear of every new position', async () => {
  const admission = createAdmission({ maxRunning: 1, maxQueued: 3 });
  const [running, ...waiting] = [admission.take(), admission.take(), admission.take(), admission.take()];
  const heard: number[][] = waiting.map(() => []);
  const waits = waiting.map((place, index) =>
    place.admitted(never, (position) => void heard[index]?.push(position)),
  );
  running?.release();
  await waits[0];
  waiting[1]?.release(); // Leaves the queue from the middle.
  expect(heard).toEqual([[], [1], [2, 1]]);
  expect(waiting.map((place) => place.waiting)).toEqual([false, false, true]);
});
