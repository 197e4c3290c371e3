import { expect, test, vi } from 'vitest';
import { createAdmission } from './admission.ts';
import { OverloadedError, ShuttingDownError } from './errors.ts';

const never = new AbortController().signal;

test('runs as many jobs as allowed and queues the next ones in order', async () => {
  const admission = createAdmission({ maxRunning: 2, maxQueued: 2 });
  const [first, second, third, fourth] = [
    admission.take('a'),
    admission.take('a'),
    admission.take('a'),
    admission.take('a'),
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
  admission.take('a');
  expect(() => admission.take('a')).toThrow(OverloadedError);
});

test('a queued job that is aborted leaves the queue and takes no slot later', async () => {
  const admission = createAdmission({ maxRunning: 1, maxQueued: 1 });
  const running = admission.take('a');
  const queued = admission.take('a');
  const abort = new AbortController();
  const waiting = queued.admitted(abort.signal);
  abort.abort(new Error('gone'));
  await expect(waiting).rejects.toThrow('gone');
  queued.release();
  expect(admission.queued).toBe(0);
  running.release();
  expect(admission.running).toBe(0);
  await expect(admission.take('a').admitted(never)).resolves.toBeUndefined();
});

test('a second release of the same place frees nothing', () => {
  const admission = createAdmission({ maxRunning: 2, maxQueued: 0 });
  const place = admission.take('a');
  admission.take('a');
  place.release();
  place.release();
  expect(admission.running).toBe(1);
});

test('after close queued jobs still get their turn, new ones are told that the service stops', async () => {
  const admission = createAdmission({ maxRunning: 1, maxQueued: 1 });
  const running = admission.take('a');
  const waiting = admission.take('a').admitted(never);
  admission.close(60_000);
  expect(() => admission.take('b')).toThrow(ShuttingDownError);
  running.release();
  await expect(waiting).resolves.toBeUndefined();
});

test('after close those whose turn would come too late are told so at once, running ones go on', async () => {
  const admission = createAdmission({ maxRunning: 1, maxQueued: 4 });
  const running = admission.take('a');
  // Until a generation has ended, one is taken to last a second: the first would be over in 2 s, the second in 3 s.
  const [first, second] = [admission.take('b').admitted(never), admission.take('a').admitted(never)];
  admission.close(2_500);
  await expect(second).rejects.toThrow(ShuttingDownError);
  expect([admission.running, admission.queued]).toEqual([1, 1]);
  running.release();
  await first;
});

test('when the patience is over, those who still wait are told so', async () => {
  vi.useFakeTimers();
  try {
    const admission = createAdmission({ maxRunning: 1, maxQueued: 4 });
    admission.take('a');
    const waiting = admission.take('a').admitted(never);
    admission.close(10_000);
    expect(admission.queued).toBe(1);
    vi.advanceTimersByTime(10_000);
    await expect(waiting).rejects.toThrow(ShuttingDownError);
    expect(admission.queued).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test('those who wait hear of every new position', async () => {
  const admission = createAdmission({ maxRunning: 1, maxQueued: 3 });
  const [running, ...waiting] = [
    admission.take('a'),
    admission.take('a'),
    admission.take('a'),
    admission.take('a'),
  ];
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

test('callers take turns, however many jobs one of them has waiting', async () => {
  const admission = createAdmission({ maxRunning: 1, maxQueued: 8 });
  const order: string[] = [];
  const line = (caller: string, jobs: number) =>
    Array.from({ length: jobs }, async (_, index) => {
      const place = admission.take(caller);
      await place.admitted(never);
      order.push(`${caller}${index + 1}`);
      place.release();
    });
  const holder = admission.take('holder');
  const all = [...line('greedy', 4), ...line('polite', 2), ...line('other', 1)];
  holder.release();
  await Promise.all(all);
  expect(order.join(' ')).toBe('greedy1 polite1 other1 greedy2 polite2 greedy3 greedy4');
});

test('a caller with long jobs gets no more running places than one with short jobs', async () => {
  const admission = createAdmission({ maxRunning: 4, maxQueued: 8 });
  const long = Array.from({ length: 8 }, () => admission.take('long'));
  const running = () => long.filter((place) => !place.waiting).length;
  const short = Array.from({ length: 4 }, () => admission.take('short'));
  // The long jobs got all places while they were alone; as these end, short jobs take over half of them.
  long[0]?.release();
  long[1]?.release();
  expect([running() - 2, short.filter((place) => !place.waiting).length]).toEqual([2, 2]);
  // And when short jobs end, others of them follow: the long ones keep to their half.
  short[0]?.release();
  short[1]?.release();
  expect(running() - 2).toBe(2);
});

test('the more generations are queued and the longer they take, the later a refused caller shall come back', async () => {
  vi.useFakeTimers();
  try {
    const refusedFor = (maxQueued: number, generationMs: number, random: number): number => {
      const admission = createAdmission({ maxRunning: 2, maxQueued, random: () => random });
      const first = admission.take('a');
      vi.advanceTimersByTime(generationMs);
      first.release();
      for (let job = 0; job < maxQueued + 2; job += 1) admission.take('a');
      try {
        admission.take('a');
      } catch (error) {
        if (error instanceof OverloadedError) return error.retryAfterMs;
      }
      throw new Error('not refused');
    };
    expect(refusedFor(9, 1_000, 1)).toBe(5_000);
    expect(refusedFor(9, 1_000, 0)).toBe(2_500);
    expect(refusedFor(19, 1_000, 1)).toBe(10_000);
    expect(refusedFor(9, 3_000, 1)).toBe(15_000);
    expect(refusedFor(0, 1, 0)).toBe(100);
    expect(refusedFor(100, 60_000, 1)).toBe(30_000);
  } finally {
    vi.useRealTimers();
  }
});
