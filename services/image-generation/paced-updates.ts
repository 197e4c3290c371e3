/** Between a job and its caller: what the job reports, at a pace that suits a stream, and a sign of life when it reports nothing. */
import { createBell } from '../runtime/bell.ts';
import { derivedSignal } from '../runtime/derived-signal.ts';
import type { JobUpdate, ProgressEvent } from './generation-event.ts';
import { createUpdateDesk, type PaceOptions } from './update-desk.ts';

/** Takes a report of the job. Never blocks the job: what the caller is too slow for is left out. */
export type Report = (update: JobUpdate) => void;

export interface PacedUpdatesOptions extends PaceOptions {
  /** The progress to send when the job has been quiet, given the last one sent. */
  readonly quiet: (last: ProgressEvent | undefined) => ProgressEvent;
}

/**
 * Runs `work` and yields what it reports; returns what it resolves with, throws what it rejects with. The
 * signal it gets aborts with `call`, and when the consumer returns early, which then waits for the work to end:
 * nothing of it runs on.
 */
export async function* pacedUpdates<R>(
  call: AbortSignal,
  work: (report: Report, signal: AbortSignal) => Promise<R>,
  options: PacedUpdatesOptions,
): AsyncGenerator<JobUpdate, R, undefined> {
  const leaving = derivedSignal(call);
  const bell = createBell();
  const desk = createUpdateDesk(options);
  const report: Report = (update) => {
    desk.put(update);
    bell.ring();
  };
  let outcome: 'open' | 'done' | 'failed' = 'open';
  const end = (as: 'done' | 'failed') => (): void => {
    outcome = as;
    bell.ring();
  };
  const working = work(report, leaving.signal);
  const settled = working.then(end('done'), end('failed'));
  const state = (): typeof outcome => outcome;
  try {
    while (state() !== 'failed') {
      const now = performance.now();
      const update = state() === 'done' ? desk.takeLast() : (desk.take(now) ?? desk.beat(now, options.quiet));
      if (update !== undefined) yield update;
      else if (state() === 'done') break;
      else await bell.wait(desk.dueInMs(performance.now()));
    }
    return await working;
  } finally {
    leaving.abort(new Error('the caller left'));
    await settled;
    leaving.dispose();
  }
}
