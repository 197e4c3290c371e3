/** Ends one job at an engine that others use too. */
import type { EngineConnection } from '../http/engine-connection.ts';
import { jsonAnswer } from '../http/json-answer.ts';
import { at } from '../http/json-reading.ts';
import { pause } from '../http/pause.ts';
import type { JobStates } from './job-state.ts';

const TIMEOUT_MS = 5_000;
/** Between two looks whether it has stopped, and between two attempts, ms. */
const AGAIN_MS = 250;

/**
 * Cancels the job, and resolves when it neither waits nor runs. By the one request that is atomic, where the engine
 * has it; by older ones else: the queue's entry by its id, and an interrupt that names the job, sent only while it
 * is ours that runs, because the oldest engines interrupt whatever runs.
 * @throws {EngineError} when the engine is gone, and the work with it.
 */
export async function cancelJob(
  connection: EngineConnection,
  states: JobStates,
  jobId: string,
  lifetime: AbortSignal,
): Promise<void> {
  const post = (path: string, body?: unknown) =>
    connection.ask(
      { method: 'POST', path, timeoutMs: TIMEOUT_MS, ...(body === undefined ? {} : { body }) },
      lifetime,
    );

  const cancelled = await post(`/api/jobs/${jobId}/cancel`);
  const atomic = cancelled.status < 300 && at((await jsonAnswer(cancelled)).value, 'cancelled') !== undefined;
  if (!atomic) await post('/queue', { delete: [jobId] });
  for (let asked = atomic; ; ) {
    const place = await states.placeOf(jobId, lifetime);
    if (place === undefined) return;
    if (!atomic && place === 'running' && !asked) {
      // Right after the look, and once: a second one could meet the next job on an engine that takes no id.
      asked = true;
      await post('/interrupt', { prompt_id: jobId });
    }
    // It may have been taken off the queue just before it was to be deleted: then it runs by now.
    await pause(AGAIN_MS, lifetime);
  }
}
