import { untilAborted } from '../runtime/until-aborted.ts';
import { OverloadedError, ShuttingDownError } from './errors.ts';
import { createFairQueue, type FairQueue } from './fair-queue.ts';
import { createWaitEstimate, type WaitEstimate } from './wait-estimate.ts';

/** A place in the line for the engine. `release` must be called, whatever happened; again does nothing. */
export interface Place {
  /**
   * Present place in the queue, from 1; zero when it does not wait. How many turns that really are depends on
   * whose jobs end first, so it may stand still or rise a little; it also rises when a caller comes in who has fewer
   * jobs in hand.
   */
  readonly position: number;
  /** Whether it is still waiting. */
  readonly waiting: boolean;
  /**
   * Resolves when the job may run; rejects with `signal.reason` or a ShuttingDownError. Until then `onMoved`
   * hears of every new position.
   */
  admitted(signal: AbortSignal, onMoved?: (position: number) => void): Promise<void>;
  release(): void;
}

export interface Admission {
  /**
   * Takes a place for a caller.
   * @throws {OverloadedError} at once when there is no room for another job of this caller.
   * @throws {ShuttingDownError} after `close`.
   */
  take(caller: string): Place;
  readonly running: number;
  readonly queued: number;
  /**
   * Takes no new jobs. Those that wait still get their turn, except the ones that are not expected to be over
   * within `patienceMs`: they fail now, or as soon as that shows, so that their callers can go elsewhere.
   */
  close(patienceMs: number): void;
}

export interface AdmissionOptions {
  readonly maxRunning: number;
  /** Jobs that may wait of a caller who is alone; of all callers together twice as many. */
  readonly maxQueued: number;
  /** From 0 to 1. */
  readonly random?: () => number;
}

interface Job {
  readonly caller: string;
  state: 'queued' | 'running' | 'left';
  position: number;
  admittedAtMs: number;
  /** Resolves when the job may run, rejects when it is refused. */
  readonly turn: Promise<void>;
  readonly admit: () => void;
  readonly refuse: (error: Error) => void;
  /** Hears of every new position. */
  moved: (position: number) => void;
}

/**
 * A bounded number of running and queued jobs, shared fairly between callers (see FairQueue).
 *
 * The queue has twice as many places as one caller may fill, and a caller may have as many jobs waiting as places
 * are free: "dynamic threshold" with factor 1 of Choudhury and Hahne, Dynamic Queue Length Thresholds for
 * Shared-Memory Packet Switches, 1998. Alone a caller gets half of the places, of k greedy ones each gets
 * 1/(k + 1), and the last place goes only to one who has nothing waiting. The other way, to let the greediest
 * caller's newest job give way when the queue is full, would need no spare places but fail calls that were accepted
 * already, which our client rightly does not repeat.
 */
export function createAdmission({ maxRunning, maxQueued, random }: AdmissionOptions): Admission {
  const queue = createFairQueue<Job>();
  const estimate = createWaitEstimate({ maxRunning, ...(random ? { random } : {}) });
  let running = 0;
  let closesAtMs: number | undefined;

  function admitNext(): void {
    while (running < maxRunning) {
      const job = queue.next();
      if (job === undefined) return;
      job.state = 'running';
      job.admittedAtMs = performance.now();
      running += 1;
      job.admit();
    }
  }

  function leave(job: Job): void {
    const { state, caller } = job;
    job.state = 'left';
    if (state === 'left') return;
    if (state === 'queued') queue.remove(caller, job);
    else {
      running -= 1;
      queue.ended(caller);
      estimate.observe(performance.now() - job.admittedAtMs);
    }
    if (closesAtMs !== undefined) refuseLate(queue, estimate, closesAtMs);
    admitNext();
    tellPositions(queue);
  }

  return {
    take(caller) {
      if (closesAtMs !== undefined) throw new ShuttingDownError();
      const free = 2 * maxQueued - queue.size;
      if (running >= maxRunning && queue.waitingOf(caller) >= free) {
        throw new OverloadedError(free === 0 ? QUEUE_FULL : SHARE_FULL, estimate.retryAfterMs(queue.size));
      }
      const job = createJob(caller);
      queue.add(caller, job);
      admitNext();
      tellPositions(queue);
      return placeOf(job, leave);
    },
    get running() {
      return running;
    },
    get queued() {
      return queue.size;
    },
    close(patienceMs) {
      const atMs = performance.now() + patienceMs;
      closesAtMs = atMs;
      refuseLate(queue, estimate, atMs);
      setTimeout(() => refuseLate(queue, estimate, atMs), patienceMs).unref();
    },
  };
}

const QUEUE_FULL = 'the queue is full';
const SHARE_FULL = 'the queue has no more room for this caller';

/** While closing: turns away those who are not expected to be over in time. */
function refuseLate(queue: FairQueue<Job>, estimate: WaitEstimate, closesAtMs: number): void {
  const leftMs = closesAtMs - performance.now();
  for (const [index, job] of queue.inOrder().entries()) {
    if (leftMs > 0 && estimate.untilOverMs(index + 1) <= leftMs) continue;
    queue.remove(job.caller, job);
    job.state = 'left';
    job.refuse(new ShuttingDownError());
  }
}

function tellPositions(queue: FairQueue<Job>): void {
  for (const [index, job] of queue.inOrder().entries()) {
    if (job.position === index + 1) continue;
    job.position = index + 1;
    job.moved(job.position);
  }
}

function placeOf(job: Job, leave: (job: Job) => void): Place {
  return {
    get position() {
      return job.state === 'queued' ? job.position : 0;
    },
    get waiting() {
      return job.state === 'queued';
    },
    async admitted(signal, onMoved = () => {}) {
      signal.throwIfAborted();
      if (job.state === 'running') return;
      job.moved = onMoved;
      await untilAborted(job.turn, signal);
    },
    release: () => leave(job),
  };
}

function createJob(caller: string): Job {
  let [admit, refuse]: [() => void, (error: Error) => void] = [() => {}, () => {}];
  const turn = new Promise<void>((resolve, reject) => {
    [admit, refuse] = [resolve, reject];
  });
  turn.catch(() => {}); // The owner may leave before it waits.
  const moved = (): void => {};
  return { caller, turn, admit, refuse, moved, state: 'queued', position: 0, admittedAtMs: 0 };
}
