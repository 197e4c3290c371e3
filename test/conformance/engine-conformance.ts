/** What every engine must do, whatever its protocol. One call of `describeEngine` for each. */
import { getEventListeners } from 'node:events';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { checkWithEngine } from '../../services/image-generation/check-with-engine.ts';
import { createSharpImageEncoder } from '../../services/image-generation/encoding/sharp-image-encoder.ts';
import {
  DeadlineError,
  EngineError,
  type EngineFailure,
  NotFoundError,
} from '../../services/image-generation/errors.ts';
import type { EngineEvent, EngineJob, ImageEngine } from '../../services/image-generation/image-engine.ts';
import {
  type EngineFault,
  ENGINE_SECRET,
  type EngineSimulator,
} from '../_support/engines/engine-simulator.ts';
import { wireRequest } from '../_support/wire-request.ts';

/** One engine under test, with the simulator behind it when there is one. */
export interface EngineTrial {
  readonly engine: ImageEngine;
  readonly simulator?: EngineSimulator;
  /** Everything that was logged. */
  readonly logText?: () => string;
  /** Closes the engine, then the simulator. */
  close(): Promise<void>;
}

export interface TrialOptions {
  /** Longest a job may take at the engine, ms. */
  readonly timeoutMs?: number;
}

export interface EngineHarness {
  start(options?: TrialOptions): Promise<EngineTrial>;
  /** What this engine promises beyond the port. */
  readonly promises: {
    /** The same job gives the same pixels. */
    readonly deterministic: boolean;
    /** Takes a seed. */
    readonly seeds: boolean;
    /** Names of two LoRAs it has; absent when it takes none. */
    readonly loras?: readonly [string, string];
    /** Tells every step, or nothing but signs of life. */
    readonly steps: boolean;
    readonly previews: boolean;
    /** A cancelled job that runs stops at the engine; otherwise it runs out there, its place taken. */
    readonly stopsWork: boolean;
    /** Fields of a job that the simulator hears of. Default: all. */
    readonly heard?: readonly (keyof EngineJob)[];
  };
  /** Faults that this protocol cannot show, or that mean something else in it. */
  readonly faults?: Partial<Readonly<Record<EngineFault, readonly EngineFailure[] | 'impossible'>>>;
}

const FAULTS: Readonly<Record<EngineFault, readonly EngineFailure[]>> = {
  html: ['BAD_RESPONSE'],
  'cut-base64': ['BAD_RESPONSE', 'IMAGE_CORRUPT'],
  'cut-file': ['IMAGE_CORRUPT'],
  'wrong-dimensions': ['BAD_RESPONSE'],
  'no-image': ['BAD_RESPONSE'],
  'slow-loris': ['TIMEOUT'],
  'too-many-requests': ['OVERLOADED'],
  'out-of-memory': ['OUT_OF_MEMORY'],
  exception: ['FAILED'],
};

const PROMPT = 'a lighthouse that no log may name, at dusk';
const WAIT = { timeout: 10_000, interval: 10 };
const never = (): AbortSignal => new AbortController().signal;
const encoder = createSharpImageEncoder();

/** The job that a request becomes, as in the service. */
async function jobOf(
  engine: ImageEngine,
  fields: Parameters<typeof wireRequest>[0] = {},
): Promise<EngineJob> {
  const { models } = await engine.capabilities(never());
  const side = Math.ceil(64 / models[0].dimensionMultiple) * models[0].dimensionMultiple;
  const wire = wireRequest({ prompt: PROMPT, width: side * 2, height: side, ...fields });
  return (await checkWithEngine(wire, engine, never())).job;
}

type ImageEvent = Extract<EngineEvent, { type: 'image' }>;

async function eventsOf(engine: ImageEngine, job: EngineJob, signal = never()): Promise<EngineEvent[]> {
  const events: EngineEvent[] = [];
  for await (const event of engine.generate(job, signal)) events.push(event);
  return events;
}

const imageOf = (events: readonly EngineEvent[]): ImageEvent => {
  const last = events.at(-1);
  if (last?.type !== 'image') throw new Error(`the last event is ${last?.type ?? 'missing'}`);
  return last;
};

/** The picture as the service takes it: decoded, of the job's size. Rejects as the call would end. */
async function pictureOf(engine: ImageEngine, job: EngineJob, signal = never()): Promise<Buffer> {
  const { image } = imageOf(await eventsOf(engine, job, signal));
  const png = await encoder.encode(image, 'png', 0);
  if (png.width !== job.width || png.height !== job.height) {
    throw new EngineError('BAD_RESPONSE', `${png.width} x ${png.height}`);
  }
  return sharp(png.bytes).raw().toBuffer();
}

const failureOf = (error: unknown): EngineFailure | undefined =>
  error instanceof EngineError ? error.failure : undefined;

const rejection = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

/** Registers the suite for one engine. */
export function describeEngine(name: string, harness: EngineHarness): void {
  describe(name, () => {
    let trial: EngineTrial;
    const begin = async (options: TrialOptions = {}): Promise<EngineTrial> => {
      trial = await harness.start(options);
      return trial;
    };
    afterEach(async () => trial.close());

    describe('an image', () => imageTests(harness, begin));
    describe('a cancelled job', () => cancelTests(harness, begin));
    describe.skipIf(harness.faults === undefined)('a failing engine', () => faultTests(harness, begin));
    describe.skipIf(harness.faults === undefined)('an engine that dies', () => deathTests(begin));
  });
}

type Begin = (options?: TrialOptions) => Promise<EngineTrial>;

function imageTests({ promises }: EngineHarness, begin: Begin): void {
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

function cancelTests({ promises }: EngineHarness, begin: Begin): void {
  const reason = new DeadlineError();

  test('that has not begun costs nothing', async () => {
    const { engine, simulator } = await begin();
    const job = await jobOf(engine);
    expect(await rejection(eventsOf(engine, job, AbortSignal.abort(reason)))).toBe(reason);
    expect(simulator?.jobs ?? []).toEqual([]);
  });

  test('ends with the signal’s reason, at once', async () => {
    const { engine, simulator } = await begin();
    const job = await jobOf(engine, { width: 512, height: 512 });
    simulator?.hold();
    const caller = new AbortController();
    const run = rejection(eventsOf(engine, job, caller.signal));
    if (simulator === undefined) setImmediate(() => caller.abort(reason));
    else {
      await vi.waitFor(() => expect(simulator.jobs[0]?.state).toBe('running'), WAIT);
      caller.abort(reason);
    }
    expect(await run).toBe(reason);
    expect(getEventListeners(caller.signal, 'abort')).toEqual([]);
    simulator?.letGo();
  });

  test('stops at the engine, and the next one is not touched', async () => {
    const { engine, simulator } = await begin();
    if (simulator === undefined) return;
    simulator.hold();
    const caller = new AbortController();
    const run = rejection(eventsOf(engine, await jobOf(engine, { steps: 20 }), caller.signal));
    await vi.waitFor(() => expect(simulator.jobs[0]?.state).toBe('running'), WAIT);
    const next = pictureOf(engine, await jobOf(engine));
    caller.abort(reason);
    expect(await run).toBe(reason);
    if (promises.stopsWork)
      await vi.waitFor(() => expect(simulator.jobs[0]?.state).toBe('interrupted'), WAIT);
    simulator.letGo();
    await next;
    expect(simulator.jobs.map(({ state }) => state)).toEqual([
      promises.stopsWork ? 'interrupted' : 'done',
      'done',
    ]);
  });

  test('whose consumer just leaves is cancelled too', async () => {
    const { engine, simulator } = await begin();
    const events = engine.generate(await jobOf(engine, { steps: 20 }), never());
    simulator?.hold();
    const first = events.next();
    if (simulator !== undefined) {
      await vi.waitFor(() => expect(simulator.jobs[0]?.state).toBe('running'), WAIT);
      // The first event may need a step; then it comes now.
      simulator.letGo();
    }
    await first;
    await events.return();
    await pictureOf(engine, await jobOf(engine));
    if (promises.stopsWork && simulator !== undefined) {
      expect(simulator.jobs.map(({ state }) => state)).toEqual(['interrupted', 'done']);
    }
  });

  test('that waits for its place leaves the running one alone', async () => {
    const { engine, simulator } = await begin();
    if (simulator === undefined) return;
    simulator.hold();
    const running = pictureOf(engine, await jobOf(engine));
    await vi.waitFor(() => expect(simulator.jobs[0]?.state).toBe('running'), WAIT);
    // As many as the engine takes at once, and one more, which waits.
    const others = Array.from({ length: engine.capacity ?? 1 }, () => new AbortController());
    const waiting = others.map(async ({ signal }) =>
      rejection(eventsOf(engine, await jobOf(engine), signal)),
    );
    for (const caller of others.toReversed()) caller.abort(reason);
    expect(await Promise.all(waiting)).toEqual(others.map(() => reason));
    simulator.letGo();
    await running;
    expect(simulator.jobs[0]?.state).toBe('done');
  });
}

function faultTests({ faults = {} }: EngineHarness, begin: Begin): void {
  const expected = Object.entries({ ...FAULTS, ...faults }).flatMap(([fault, failures]) =>
    failures === 'impossible' ? [] : [[fault as EngineFault, failures] as const],
  );
  test.each(expected)(
    'that answers with %s ends in %s, and the next job succeeds',
    async (fault, failures) => {
      const { engine, simulator, logText } = await begin({ timeoutMs: 1_500 });
      const job = await jobOf(engine);
      simulator?.spoil(fault);
      const error = await rejection(pictureOf(engine, job));
      expect(failures).toContain(failureOf(error));
      expect((error as Error).message).not.toContain(ENGINE_SECRET);
      await pictureOf(engine, await jobOf(engine));
      expect(everything(error)).not.toContain('no log may name');
      expect(logText?.() ?? '').not.toContain('no log may name');
    },
  );
}

/** An error with all of its causes. */
function everything(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.message}\n${JSON.stringify(error)}\n${everything(error.cause ?? '')}`;
}

function deathTests(begin: Begin): void {
  let trial: Required<Pick<EngineTrial, 'engine' | 'simulator'>>;
  beforeEach(async () => {
    const begun = await begin();
    if (begun.simulator === undefined) throw new Error('faults need a simulator');
    trial = { engine: begun.engine, simulator: begun.simulator };
  });

  test('in the middle of a job is UNAVAILABLE; the next call after its restart succeeds', async () => {
    const { engine, simulator } = trial;
    const job = await jobOf(engine);
    simulator.hold();
    const run = rejection(eventsOf(engine, job));
    await vi.waitFor(() => expect(simulator.jobs[0]?.state).toBe('running'), WAIT);
    await simulator.kill();
    expect(failureOf(await run)).toBe('UNAVAILABLE');
    await simulator.restart();
    await pictureOf(engine, await jobOf(engine));
  });

  test('is told by health, and so is its return', async () => {
    const { engine, simulator } = trial;
    await vi.waitFor(() => expect(engine.health?.available).toBe(true), WAIT);
    const job = await jobOf(engine);
    const changes: boolean[] = [];
    const stop = engine.health?.onChange(() => changes.push(engine.health?.available ?? false));
    await simulator.kill();
    expect(failureOf(await rejection(eventsOf(engine, job)))).toBe('UNAVAILABLE');
    await vi.waitFor(() => expect(engine.health?.available).toBe(false), WAIT);
    expect(engine.health?.reason).not.toBe('');
    await simulator.restart();
    await vi.waitFor(() => expect(engine.health?.available).toBe(true), WAIT);
    expect(changes).toEqual([false, true]);
    stop?.();
  });

  test('and stays away is UNAVAILABLE for capabilities and jobs alike', async () => {
    const { engine, simulator } = trial;
    const job = await jobOf(engine);
    await simulator.kill();
    for (let call = 0; call < 4; call += 1) {
      expect(failureOf(await rejection(eventsOf(engine, job)))).toBe('UNAVAILABLE');
    }
    expect(failureOf(await rejection(engine.capabilities(never())))).toBe('UNAVAILABLE');
  });

  test('leaves nothing open once closed', async () => {
    const { engine, simulator } = trial;
    await pictureOf(engine, await jobOf(engine));
    simulator.hold();
    const caller = new AbortController();
    const run = rejection(eventsOf(engine, await jobOf(engine), caller.signal));
    await vi.waitFor(() => expect(simulator.jobs[1]?.state).toBe('running'), WAIT);
    caller.abort(new DeadlineError());
    await run;
    await engine.close?.();
    await vi.waitFor(() => expect(simulator.sockets).toBe(0), WAIT);
    simulator.letGo();
  });
}
