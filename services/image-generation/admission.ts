import { OverloadedError, ShuttingDownError } from './errors.ts';

/** A place in the line for the engine. `release` must be called exactly once, whatever happened. */
export interface Place {
  /** Jobs ahead in the queue; zero when the job may run at once. */
  readonly position: number;
  /** Resolves when the job may run; rejects with `signal.reason` or a ShuttingDownError. */
  admitted(signal: AbortSignal): Promise<void>;
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
    if (job.state === 'queued') queue.delete(job);
    if (job.state === 'running') running -= 1;
    job.state = 'left';
    const [next] = queue;
    if (next === undefined || running >= maxRunning) return;
    queue.delete(next);
    run(next);
  }

  return {
    take() {
      if (closed) throw new ShuttingDownError();
      const roomNow = running < maxRunning && queue.size === 0;
      if (!roomNow && queue.size >= maxQueued) throw new OverloadedError('the queue is full', RETRY_AFTER_MS);
      const job: Job = { state: 'queued', admit: () => {}, refuse: () => {} };
      const turn = new Promise<void>((admit, refuse) => Object.assign(job, { admit, refuse }));
      turn.catch(() => {}); // The owner may leave before it waits.
      if (roomNow) run(job);
      else queue.add(job);
      return {
        position: queue.size,
        admitted: (signal) => untilAborted(turn, signal),
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

async function untilAborted(turn: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    await Promise.race([turn, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
