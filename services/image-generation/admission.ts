import { untilAborted } from '../runtime/until-aborted.ts';
import { OverloadedError, ShuttingDownError } from './errors.ts';

/** A place in the line for the engine. `release` must be called exactly once, whatever happened. */
export interface Place {
  /** Place in the queue when it was taken, from 1; zero when the job may run at once. */
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
   * Takes a place.
   * @throws {OverloadedError} at once when the queue is full.
   * @throws {ShuttingDownError} after `close`.
   */
  take(): Place;
  readonly running: number;
  readonly queued: number;
  /** Admits nobody any more: queued jobs fail, running ones go on. */
  close(): void;
}

export interface AdmissionOptions {
  readonly maxRunning: number;
  readonly maxQueued: number;
}

/** When a refused caller is told to come back, ms. About one small generation. */
const RETRY_AFTER_MS = 1_000;

interface Job {
  state: 'queued' | 'running' | 'left';
  admit(): void;
  refuse(error: Error): void;
  /** Hears of every new position. */
  moved: (position: number) => void;
}

/** First come, first served, with a bounded number of running and queued jobs. */
export function createAdmission({ maxRunning, maxQueued }: AdmissionOptions): Admission {
  const queue = new Set<Job>();
  let running = 0;
  let closed = false;

  function run(job: Job): void {
    job.state = 'running';
    running += 1;
    job.admit();
  }

  function leave(job: Job): void {
    let moved = job.state === 'queued' && queue.delete(job);
    if (job.state === 'running') running -= 1;
    job.state = 'left';
    const [next] = queue;
    if (next !== undefined && running < maxRunning) {
      queue.delete(next);
      run(next);
      moved = true;
    }
    if (moved) tellPositions(queue);
  }

  return {
    take() {
      if (closed) throw new ShuttingDownError();
      const roomNow = running < maxRunning && queue.size === 0;
      if (!roomNow && queue.size >= maxQueued) throw new OverloadedError('the queue is full', RETRY_AFTER_MS);
      const { job, turn } = createJob();
      if (roomNow) run(job);
      else queue.add(job);
      return {
        position: queue.size,
        get waiting() {
          return job.state === 'queued';
        },
        async admitted(signal, onMoved = () => {}) {
          job.moved = onMoved;
          await untilAborted(turn, signal);
        },
        release: () => leave(job),
      };
    },
    get running() {
      return running;
    },
    get queued() {
      return queue.size;
    },
    close() {
      closed = true;
      for (const job of queue) {
        job.state = 'left';
        job.refuse(new ShuttingDownError());
      }
      queue.clear();
    },
  };
}

function createJob(): { job: Job; turn: Promise<void> } {
  const job: Job = { state: 'queued', admit: () => {}, refuse: () => {}, moved: () => {} };
  const turn = new Promise<void>((admit, refuse) => Object.assign(job, { admit, refuse }));
  turn.catch(() => {}); // The owner may leave before it waits.
  return { job, turn };
}

function tellPositions(queue: ReadonlySet<Job>): void {
  let position = 0;
  for (const job of queue) job.moved(++position);
}
