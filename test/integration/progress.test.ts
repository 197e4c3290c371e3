/** What a caller hears before the first byte: signs of life, places in the queue, thinned-out steps, few previews. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Metadata } from '@grpc/grpc-js';
import { expect, test, vi } from 'vitest';
import {
  type GenerateImageResponse,
  type GenerationProgress,
  GenerationStage,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { type Collected, collect, startFixture } from '../_support/image-generation-fixture.ts';
import { createNoiseEngine } from '../_support/noise-engine.ts';
import { wireRequest } from '../_support/wire-request.ts';

const ARCHIVE_OFF = { ENABLE_INTERNAL_S3_UPLOAD: 'false' };
const KEEP_ALIVE_MS = 60;
const pace = { keepAliveMs: KEEP_ALIVE_MS };

const progressOf = ({ events }: Pick<Collected, 'events'>): GenerationProgress[] =>
  events.flatMap(({ event }) => (event?.$case === 'progress' ? [event.value] : []));
const previewsOf = ({ events }: Collected) =>
  events.flatMap(({ event }) => (event?.$case === 'preview' ? [event.value] : []));

/** An engine whose jobs wait until they are let go, each by its prompt. */
function heldEngine() {
  const gates = new Map<string, () => void>();
  const engine = createNoiseEngine({
    steps: 1,
    beforeStep: async ({ prompt }, _, signal) => {
      const opened = new Promise<void>((resolve) => gates.set(prompt, resolve));
      await Promise.race([opened, once(signal, 'abort')]);
    },
  });
  const open = async (prompt: string): Promise<void> => {
    await vi.waitFor(() => expect(gates.has(prompt)).toBe(true));
    gates.get(prompt)?.();
  };
  return { engine, open };
}

test('a silent engine is covered by signs of life, and those who wait hear of their place', async () => {
  const { engine, open } = heldEngine();
  await using service = await startFixture({ ...ARCHIVE_OFF, ENGINE_CONCURRENCY: '1' }, { engine, pace });
  const prompts = ['first', 'second', 'third'];
  const calls: Promise<Collected>[] = [];
  for (const prompt of prompts) {
    const call = service.client.generateImage(wireRequest({ prompt }));
    calls.push(collect(call));
    await once(call, 'data');
  }
  await delay(5 * KEEP_ALIVE_MS);
  for (const prompt of prompts) await open(prompt);
  const [first, , third] = await Promise.all(calls);
  const { GENERATION_STAGE_QUEUED: QUEUED, GENERATION_STAGE_LOADING: LOADING } = GenerationStage;
  const quiet = progressOf(first as Collected).filter(({ stage }) => stage === LOADING);
  expect(quiet.length).toBeGreaterThanOrEqual(3);
  const elapsed = quiet.map((each) => Number(each.elapsed?.seconds) * 1e9 + (each.elapsed?.nanos ?? 0));
  expect(elapsed).toEqual(elapsed.toSorted((a, b) => a - b));
  const queued = progressOf(third as Collected).filter(({ stage }) => stage === QUEUED);
  expect(queued.length).toBeGreaterThanOrEqual(4);
  expect([...new Set(queued.map(({ queuePosition }) => queuePosition))]).toEqual([2, 1]);
});

test('a quick engine with large and many previews sends few and small ones, and only when asked', async () => {
  const engine = createNoiseEngine({
    steps: 60,
    beforeStep: () => delay(10),
    previewBytes: (step) => (step % 2 === 0 ? 64 * 1024 : 70_000),
  });
  await using service = await startFixture(ARCHIVE_OFF, { engine });
  const started = performance.now();
  const call = await collect(service.client.generateImage(wireRequest({ includePreviews: true })));
  const seconds = (performance.now() - started) / 1000;
  const previews = previewsOf(call);
  expect(previews.length).toBeGreaterThanOrEqual(1);
  expect(previews.length).toBeLessThanOrEqual(2 * seconds + 1);
  expect(previews.every(({ data }) => data.length === 64 * 1024)).toBe(true);
  const progress = progressOf(call);
  expect(progress.length).toBeLessThanOrEqual(4 * seconds + 4);
  const fractions = progress.map(({ fraction = 0 }) => fraction);
  expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
  expect(progress.some(({ step }) => step === 60)).toBe(true);
  expect(previewsOf(await collect(service.client.generateImage(wireRequest())))).toEqual([]);
});

test('a caller who does not read holds up neither the engine nor the others', async () => {
  const engine = createNoiseEngine({ steps: 300, previewBytes: () => 64 * 1024, beforeStep: () => delay(1) });
  const limits = { ENGINE_CONCURRENCY: '1' };
  const quickPreviews = { previewIntervalMs: 1, maxPreviews: 1_000 };
  await using service = await startFixture({ ...ARCHIVE_OFF, ...limits }, { engine, pace: quickPreviews });
  const slow = service.client.generateImage(wireRequest({ includePreviews: true }));
  // A grpc-js client that never reads takes everything in; one that stops reading holds back the stream.
  await once(slow, 'data');
  slow.pause();
  const other = await collect(
    service.client.generateImage(wireRequest(), new Metadata(), { deadline: Date.now() + 15_000 }),
  );
  expect(other.error).toBeUndefined();
  const events: GenerateImageResponse[] = [];
  slow.on('data', (event: GenerateImageResponse) => events.push(event));
  slow.resume();
  await once(slow, 'end');
  const previews = events.filter(({ event }) => event?.$case === 'preview').length;
  expect(previews).toBeLessThan(60);
  expect(events.at(-1)?.event?.$case).toBe('result');
});
