import { getEventListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { untilAborted } from '../runtime/until-aborted.ts';
import type { JobUpdate, PreviewEvent, ProgressEvent } from './generation-event.ts';
import { pacedUpdates, type PacedUpdatesOptions, type Report } from './paced-updates.ts';

const never = new AbortController().signal;
const options: PacedUpdatesOptions = {
  keepAliveMs: 40,
  progressIntervalMs: 30,
  previewIntervalMs: 30,
  quiet: (last) => last ?? { type: 'progress', stage: 'loading', elapsedMs: 0 },
};

const sampling = (step: number, totalSteps = 100): ProgressEvent => ({
  type: 'progress',
  stage: 'sampling',
  step,
  totalSteps,
  fraction: step / totalSteps,
  elapsedMs: step,
});
const preview = (size: number, step = 0): PreviewEvent => ({
  type: 'preview',
  mediaType: 'image/jpeg',
  data: new Uint8Array(size),
  step,
});

/** Everything yielded, and the returned value. */
async function drain<R>(updates: AsyncGenerator<JobUpdate, R>, pauseMs = 0) {
  const seen: JobUpdate[] = [];
  for (;;) {
    const next = await updates.next();
    if (next.done) return { seen, value: next.value };
    seen.push(next.value);
    if (pauseMs > 0) await delay(pauseMs);
  }
}
const steps = (seen: readonly JobUpdate[]) => seen.map(({ step }) => step);

test('a quiet job shows a sign of life at every interval, then its value comes at once', async () => {
  const started = performance.now();
  const { seen, value } = await drain(pacedUpdates(never, () => delay(300, 'image'), options));
  expect(value).toBe('image');
  expect(seen.length).toBeGreaterThanOrEqual(4);
  expect(seen.every((each) => each.type === 'progress' && each.stage === 'loading')).toBe(true);
  expect(seen.length).toBeLessThanOrEqual((performance.now() - started) / 40);
});

test('the sign of life repeats what was said last, and its fraction', async () => {
  const work = async (report: Report): Promise<void> => {
    report(sampling(50));
    await delay(150);
  };
  const { seen } = await drain(pacedUpdates(never, work, options));
  expect(seen.length).toBeGreaterThanOrEqual(3);
  expect(seen.every((each) => each.type === 'progress' && each.fraction === 0.5)).toBe(true);
});

test('a flood of steps is thinned out, but neither a stage nor a last step is lost', async () => {
  const work = async (report: Report): Promise<void> => {
    report({ type: 'progress', stage: 'queued', queuePosition: 3, elapsedMs: 0 });
    report({ type: 'progress', stage: 'loading', elapsedMs: 0 });
    for (let step = 1; step <= 100; step += 1) {
      report(sampling(step));
      await delay(1);
    }
    report({ type: 'progress', stage: 'encoding', fraction: 1, elapsedMs: 0 });
  };
  const started = performance.now();
  const { seen } = await drain(pacedUpdates(never, work, options));
  const elapsed = performance.now() - started;
  const stages = seen.map((each) => (each.type === 'progress' ? each.stage : each.type));
  expect([...new Set(stages)]).toEqual(['queued', 'loading', 'sampling', 'encoding']);
  const sampled = steps(seen.filter((_, index) => stages[index] === 'sampling'));
  expect(sampled[0]).toBe(1);
  expect(sampled.at(-1)).toBe(100);
  expect(sampled.length).toBeLessThanOrEqual(elapsed / 30 + 2);
});

test('the fraction never falls, whatever the engine says', async () => {
  const work = async (report: Report): Promise<void> => {
    for (const fraction of [0.2, 0.9, 0.1, undefined, 0.95, 0.3]) {
      report({
        type: 'progress',
        stage: 'sampling',
        ...(fraction === undefined ? {} : { fraction }),
        elapsedMs: 0,
      });
      await delay(35);
    }
  };
  const { seen } = await drain(pacedUpdates(never, work, options));
  const fractions = seen.map((each) => (each.type === 'progress' ? (each.fraction ?? 0) : 0));
  expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
  expect(fractions.at(-1)).toBe(0.95);
});

test('a slow caller gets the newest preview instead of a queue of them, and never holds up the job', async () => {
  let finishedAt = 0;
  const started = performance.now();
  const work = async (report: Report): Promise<void> => {
    for (let step = 1; step <= 20; step += 1) {
      report(sampling(step, 20));
      report(preview(1_000, step));
      await delay(5);
    }
    finishedAt = performance.now();
  };
  const { seen } = await drain(pacedUpdates(never, work, options), 1_000);
  expect(finishedAt - started).toBeLessThan(990);
  const previews = seen.filter(({ type }) => type === 'preview');
  expect(previews.length).toBeLessThanOrEqual(1);
  expect(steps(seen).at(-1)).toBe(20);
});

test('previews that are too large or too many are left out', async () => {
  const work = async (report: Report): Promise<void> => {
    report(preview(64 * 1024 + 1, 1));
    for (let step = 2; step <= 12; step += 1) {
      report(preview(64 * 1024, step));
      await delay(8);
    }
  };
  const few = { ...options, keepAliveMs: 1_000, previewIntervalMs: 1, maxPreviews: 4 };
  const { seen } = await drain(pacedUpdates(never, work, few));
  expect(seen).toHaveLength(4);
  expect(steps(seen)).not.toContain(1);
});

test('a failing job fails the generator with its error', async () => {
  const work = () => Promise.reject(new Error('engine broke'));
  await expect(drain(pacedUpdates(never, work, options))).rejects.toThrow('engine broke');
});

test('the signal of the call reaches the job, and its reason the consumer', async () => {
  const call = new AbortController();
  const updates = pacedUpdates(
    call.signal,
    (_, signal) => untilAborted(new Promise(() => {}), signal),
    options,
  );
  const drained = drain(updates);
  call.abort(new Error('cancelled'));
  await expect(drained).rejects.toThrow('cancelled');
});

test('a consumer that leaves ends the job and waits for its end; no timer and no listener stays', async () => {
  const call = new AbortController();
  let ended = false;
  const work = async (_: Report, signal: AbortSignal): Promise<void> => {
    await untilAborted(new Promise(() => {}), signal).catch(() => {});
    await delay(10);
    ended = true;
  };
  const before = activeTimers();
  for await (const update of pacedUpdates(call.signal, work, options)) {
    expect(update.type).toBe('progress');
    break;
  }
  expect(ended).toBe(true);
  // The test runner keeps timers of its own, which may end meanwhile.
  expect(activeTimers()).toBeLessThanOrEqual(before);
  expect(getEventListeners(call.signal, 'abort')).toHaveLength(0);
});

const activeTimers = (): number =>
  process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
