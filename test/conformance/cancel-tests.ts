import { getEventListeners } from 'node:events';
import { expect, test, vi } from 'vitest';
import { DeadlineError } from '../../services/image-generation/errors.ts';
import type { Begin, EngineHarness } from './engine-trial.ts';
import { eventsOf, never } from '../_support/engines/engine-calls.ts';
import { jobOf, pictureOf, rejection, WAIT } from './judging.ts';

/** Nobody wants the picture any more. */
export function cancelTests({ promises }: EngineHarness, begin: Begin): void {
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
