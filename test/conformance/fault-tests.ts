import { beforeEach, expect, test, vi } from 'vitest';
import { DeadlineError, type EngineFailure } from '../../services/image-generation/errors.ts';
import { type EngineFault, ENGINE_SECRET } from '../_support/engines/engine-simulator.ts';
import type { Begin, EngineHarness, EngineTrial } from './engine-trial.ts';
import { eventsOf, never } from '../_support/engines/engine-calls.ts';
import { failureOf, jobOf, pictureOf, rejection, WAIT } from './judging.ts';

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

/** Every answer that is no picture. */
export function faultTests({ faults = {} }: EngineHarness, begin: Begin): void {
  const expected = Object.entries({ ...FAULTS, ...faults }).flatMap(([fault, failures]) =>
    failures === 'impossible' ? [] : [[fault as EngineFault, failures] as const],
  );
  test.each(expected)(
    'that answers with %s ends in %s, and the next job succeeds',
    async (fault, failures) => {
      // Only who drips for ever is waited for.
      const { engine, simulator, logText } = await begin(fault === 'slow-loris' ? { timeoutMs: 2_000 } : {});
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

/** The engine goes away, and comes back. */
export function deathTests(begin: Begin): void {
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
