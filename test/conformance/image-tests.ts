import { getEventListeners } from 'node:events';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { NotFoundError } from '../../services/image-generation/errors.ts';
import type { Begin, EngineHarness } from './engine-trial.ts';
import { eventsOf, never } from '../_support/engines/engine-calls.ts';
import { encoder, imageOf, jobOf, pictureOf, rejection } from './judging.ts';

/** A picture as it should be. */
export function imageTests({ promises }: EngineHarness, begin: Begin): void {
  test('has the size asked for, comes last and once, and tells its seed', async () => {
    const { engine } = await begin();
    const { models } = await engine.capabilities(never());
    const step = models[0].dimensionMultiple;
    const seed = promises.seeds ? 4711 : undefined;
    const sides = Math.ceil(64 / step) * step;
    for (const [width, height] of [
      [sides, sides * 3],
      [sides + step, sides],
    ] as const) {
      const job = await jobOf(engine, { width, height, ...(seed === undefined ? {} : { seed }) });
      const events = await eventsOf(engine, job);
      expect(events.filter(({ type }) => type === 'image')).toHaveLength(1);
      const { image, seed: used } = imageOf(events);
      expect(await encoder.encode(image, 'jpeg', 90)).toMatchObject({ width, height });
      if (promises.seeds) expect(used).toBe(4711);
    }
  });

  test.runIf(promises.deterministic)(
    'is the same for the same job and another for another seed',
    async () => {
      const { engine } = await begin();
      const job = await jobOf(engine, { seed: 0 });
      const first = await pictureOf(engine, job);
      expect((await pictureOf(engine, { ...job, requestId: crypto.randomUUID() })).equals(first)).toBe(true);
      expect((await pictureOf(engine, { ...job, seed: 1 })).equals(first)).toBe(false);
      expect((await pictureOf(engine, { ...job, prompt: 'another prompt' })).equals(first)).toBe(false);
    },
  );

  test('is made from what was asked for', async () => {
    const { engine, simulator } = await begin();
    const { models, samplers, maxSteps } = await engine.capabilities(never());
    const strength = (s: number) => ({ strength: s, textEncoderStrength: undefined });
    const loras = (promises.loras ?? []).map((lora, index) => ({ name: lora, ...strength(index + 0.25) }));
    const job = await jobOf(engine, {
      loras,
      ...(promises.seeds ? { seed: 1234 } : {}),
      ...(maxSteps === 0 ? {} : { steps: Math.min(7, maxSteps) }),
      ...(models[0].supportsNegativePrompt ? { negativePrompt: 'fog' } : {}),
      ...(models[0].supportsGuidanceScale ? { guidanceScale: 5.5 } : {}),
      ...(samplers.length > 1 ? { sampler: samplers[1] ?? '' } : {}),
    });
    await eventsOf(engine, job);
    if (simulator === undefined) return;
    const heard = new Set<string>(promises.heard ?? Object.keys(simulator.jobs[0] ?? {}));
    const { requestId: _, includePreviews: __, ...asked } = job;
    const expected = Object.fromEntries(Object.entries(asked).filter(([field]) => heard.has(field)));
    expect(simulator.jobs).toHaveLength(1);
    expect(simulator.jobs[0]).toMatchObject(expected);
  });

  test.runIf(promises.loras)('changes with a known LoRA; an unknown one is NOT_FOUND', async () => {
    const { engine, simulator } = await begin();
    const job = await jobOf(engine, { seed: 3 });
    const plain = await pictureOf(engine, job);
    const lora = { name: promises.loras?.[0] ?? '', strength: 1, textEncoderStrength: 1 };
    expect((await pictureOf(engine, { ...job, loras: [lora] })).equals(plain)).toBe(false);
    const unknown = { name: 'nonesuch', strength: 1, textEncoderStrength: 1 };
    expect(await rejection(jobOf(engine, { loras: [unknown] }))).toBeInstanceOf(NotFoundError);
    // Also for who does not ask first.
    const made = simulator?.jobs.length;
    expect(await rejection(eventsOf(engine, { ...job, loras: [unknown] }))).toBeInstanceOf(Error);
    expect(simulator?.jobs.length).toBe(made);
  });

  test('is reported on the way, never backwards', async () => {
    const { engine } = await begin();
    const job = await jobOf(engine);
    const progress = (await eventsOf(engine, job)).filter((event) => event.type === 'progress');
    const fractions = progress.flatMap(({ fraction }) => fraction ?? []);
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
    expect(fractions.every((fraction) => fraction >= 0 && fraction <= 1)).toBe(true);
    const steps = progress.flatMap(({ step }) => step ?? []);
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));
    if (promises.steps) expect(steps.length).toBeGreaterThan(0);
  });

  test('brings previews only when asked for', async () => {
    const { engine } = await begin();
    const previews = async (includePreviews: boolean) =>
      (await eventsOf(engine, await jobOf(engine, { includePreviews }))).filter(
        ({ type }) => type === 'preview',
      );
    expect(await previews(false)).toEqual([]);
    const seen = await previews(true);
    if (promises.previews) expect(seen.length).toBeGreaterThan(0);
    for (const preview of seen) {
      if (preview.type === 'preview') expect((await sharp(preview.data).metadata()).width).toBeGreaterThan(0);
    }
  });

  test('leaves no listener on its caller’s signal', async () => {
    const { engine } = await begin();
    const { signal } = new AbortController();
    await eventsOf(engine, await jobOf(engine), signal);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
}
