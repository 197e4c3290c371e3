/** What admission promises, whatever callers do in whatever order. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createAdmission, type Place } from './admission.ts';
import { OverloadedError } from './errors.ts';

type Action =
  | { readonly kind: 'come'; readonly caller: string }
  /** The nth of the jobs that run, or that wait, ends or leaves. */
  | { readonly kind: 'end' | 'leave'; readonly nth: number };

const CALLERS = ['a', 'b', 'c', 'd'] as const;
const actions = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('come' as const), caller: fc.constantFrom(...CALLERS) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('end' as const), nth: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), nth: fc.nat(20) }) },
  ),
  { maxLength: 120 },
);
const limits = fc.record({ maxRunning: fc.integer({ min: 1, max: 4 }), maxQueued: fc.nat(8) });

interface Job {
  readonly caller: string;
  readonly place: Place;
  /** Runs in which this caller could have had its turn, but others had it while it had nothing running. */
  passedOver: number;
}

function createWorld(options: { maxRunning: number; maxQueued: number }) {
  const admission = createAdmission(options);
  let jobs: Job[] = [];
  const running = (): Job[] => jobs.filter(({ place }) => !place.waiting);
  const waiting = (): Job[] => jobs.filter(({ place }) => place.waiting);
  const waitingCallers = (): Set<string> => new Set(waiting().map(({ caller }) => caller));
  const positions = (): Map<Job, number> => new Map(waiting().map((job) => [job, job.place.position]));

  function come(caller: string): void {
    const own = waiting().filter((job) => job.caller === caller).length;
    const free = 2 * options.maxQueued - waiting().length;
    const room = running().length < options.maxRunning;
    try {
      const place = admission.take(caller);
      expect(room || own < free).toBe(true);
      jobs.push({ caller, place, passedOver: 0 });
    } catch (error) {
      if (!(error instanceof OverloadedError)) throw error;
      // Whoever has nothing waiting is refused only when every place is taken.
      expect(room || own < free).toBe(false);
      expect(error.retryAfterMs).toBeGreaterThanOrEqual(100);
      expect(error.retryAfterMs).toBeLessThanOrEqual(30_000);
    }
  }

  function drop(job: Job | undefined): void {
    if (job === undefined) return;
    const before = positions();
    const wasRunning = new Set(running());
    const callersBefore = waitingCallers();
    job.place.release();
    job.place.release(); // A second time frees nothing.
    jobs = jobs.filter((other) => other !== job);
    // Whose job ends decides who is next, so a place in the line may be one turn of the others off.
    for (const [other, position] of positions()) {
      expect(position - (before.get(other) ?? 0)).toBeLessThan(CALLERS.length);
    }
    for (const admitted of running().filter((other) => !wasRunning.has(other))) {
      // First come, first served within a caller.
      const earlier = jobs
        .slice(0, jobs.indexOf(admitted))
        .filter(({ caller }) => caller === admitted.caller);
      expect(earlier.every(({ place }) => !place.waiting)).toBe(true);
      countPassedOver(admitted, callersBefore.size);
    }
  }

  /** No starvation: of n waiting callers, one with nothing running is among the next n to run. */
  function countPassedOver(admitted: Job, callers: number): void {
    const busy = new Set(running().map(({ caller }) => caller));
    for (const caller of waitingCallers()) {
      const first = waiting().find((job) => job.caller === caller);
      if (first === undefined || caller === admitted.caller) continue;
      first.passedOver = busy.has(caller) ? 0 : first.passedOver + 1;
      expect(first.passedOver).toBeLessThan(Math.max(callers, CALLERS.length));
    }
  }

  return {
    admission,
    running,
    waiting,
    do(action: Action): void {
      if (action.kind === 'come') come(action.caller);
      else {
        const among = action.kind === 'end' ? running() : waiting();
        drop(among[action.nth % Math.max(1, among.length)]);
      }
    },
    /** True at all times. */
    check(): void {
      expect(admission.running).toBe(running().length);
      expect(admission.queued).toBe(waiting().length);
      expect(admission.running).toBeLessThanOrEqual(options.maxRunning);
      expect(admission.queued).toBeLessThanOrEqual(2 * options.maxQueued);
      // No place is idle while somebody waits.
      expect(admission.queued === 0 || admission.running === options.maxRunning).toBe(true);
      const places = waiting().map(({ place }) => place.position);
      expect(places.toSorted((a, b) => a - b)).toEqual(places.map((_, index) => index + 1));
      expect(running().every(({ place }) => place.position === 0)).toBe(true);
    },
  };
}

test('bounds, exact releases, fair turns, honest positions and no idle place, after any sequence of events', () => {
  fc.assert(
    fc.property(limits, actions, (options, sequence) => {
      const world = createWorld(options);
      for (const action of sequence) {
        world.do(action);
        world.check();
      }
      while (world.running().length > 0) world.do({ kind: 'end', nth: 0 });
      expect([world.admission.running, world.admission.queued]).toEqual([0, 0]);
    }),
    { numRuns: 500 },
  );
});

test('who waits at a position is just so many turns away, when nobody else comes', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...CALLERS), { maxLength: 20 }), (callers) => {
      const admission = createAdmission({ maxRunning: 1, maxQueued: 20 });
      let running = admission.take('holder');
      let waiting = callers.map((caller) => admission.take(caller));
      const told = new Map(waiting.map((place) => [place, place.position]));
      for (let turn = 1; turn <= callers.length; turn += 1) {
        running.release();
        const next = waiting.find((place) => !place.waiting);
        if (next === undefined) throw new Error('nobody got the turn');
        expect(told.get(next)).toBe(turn);
        waiting = waiting.filter((place) => place !== next);
        running = next;
      }
    }),
  );
});

test('a polite caller gets in beside any number of jobs of a greedy one', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 0, max: 300 }), (maxQueued, greed) => {
      const admission = createAdmission({ maxRunning: 2, maxQueued });
      for (let job = 0; job < greed; job += 1) {
        try {
          admission.take('greedy');
        } catch (error) {
          if (!(error instanceof OverloadedError)) throw error;
        }
      }
      expect(admission.queued).toBe(Math.min(maxQueued, Math.max(0, greed - 2)));
      expect(admission.take('polite').position).toBeLessThanOrEqual(1);
    }),
  );
});
