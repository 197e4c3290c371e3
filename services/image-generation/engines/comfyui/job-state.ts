/** How a job stands at its engine. `/history` is `{}` for one that runs and for one that nobody knows. */
import { askJson } from '../http/ask-json.ts';
import type { EngineConnection } from '../http/engine-connection.ts';
import { engineError, statusFailure } from '../http/engine-failure.ts';
import { jsonAnswer } from '../http/json-answer.ts';
import { at, listAt, textAt } from '../http/json-reading.ts';

export type JobState =
  | { readonly kind: 'waiting' | 'running' }
  /** Neither waiting, nor running, nor remembered. */
  | { readonly kind: 'unknown' }
  /** Over, in one way or another. */
  | { readonly kind: 'over'; readonly history: unknown };

export interface JobStates {
  /** @throws {EngineError} */
  of(jobId: string, signal: AbortSignal): Promise<JobState>;
  /** Waiting or running, whether or not the engine remembers it. @throws {EngineError} */
  placeOf(jobId: string, signal: AbortSignal): Promise<'waiting' | 'running' | undefined>;
}

const TIMEOUT_MS = 5_000;
/** A history holds the graph, and of a failure the inputs. */
const MAX_HISTORY_BYTES = 16 * 1024 * 1024;
/** A queue holds the graphs of all who wait. */
const MAX_QUEUE_BYTES = 32 * 1024 * 1024;

/** Asks by `/api/jobs/{id}` where the engine has it, else by looking through the queue. */
export function createJobStates(connection: EngineConnection): JobStates {
  let hasJobs = true;

  async function inJobs(jobId: string, signal: AbortSignal): Promise<'waiting' | 'running' | undefined> {
    const path = `/api/jobs/${jobId}`;
    const answer = await connection.ask(
      { method: 'GET', path, timeoutMs: TIMEOUT_MS, maxBytes: MAX_HISTORY_BYTES },
      signal,
    );
    if (answer.status === 404 || answer.status === 405) {
      // The route answers 404 in JSON for a job it does not know; the web server's own 404 is text.
      hasJobs = answer.status === 404 && answer.contentType === 'application/json';
      return hasJobs ? undefined : inQueue(jobId, signal);
    }
    if (answer.status >= 300) throw statusFailure(answer, 'about a job', []);
    const status = textAt((await jsonAnswer(answer)).value, 'status');
    return status === 'pending' ? 'waiting' : status === 'in_progress' ? 'running' : undefined;
  }

  async function inQueue(jobId: string, signal: AbortSignal): Promise<'waiting' | 'running' | undefined> {
    const request = {
      method: 'GET',
      path: '/queue',
      timeoutMs: TIMEOUT_MS,
      maxBytes: MAX_QUEUE_BYTES,
    } as const;
    const { value } = await askJson(connection, request, signal);
    // Entries are [number, prompt_id, prompt, extra_data, outputs].
    const holds = (list: string): boolean => listAt(value, list).some((entry) => listAt(entry)[1] === jobId);
    return holds('queue_running') ? 'running' : holds('queue_pending') ? 'waiting' : undefined;
  }

  const placeOf: JobStates['placeOf'] = (jobId, signal) =>
    hasJobs ? inJobs(jobId, signal) : inQueue(jobId, signal);

  const historyOf = async (jobId: string, signal: AbortSignal): Promise<unknown> => {
    const path = `/history/${jobId}`;
    const request = { method: 'GET', path, timeoutMs: TIMEOUT_MS, maxBytes: MAX_HISTORY_BYTES } as const;
    const { value } = await askJson(connection, request, signal);
    if (typeof value !== 'object' || value === null)
      throw engineError('BAD_RESPONSE', 'a history that is none');
    return at(value, jobId);
  };

  return {
    placeOf,
    async of(jobId, signal) {
      const history = await historyOf(jobId, signal);
      if (history !== undefined) return { kind: 'over', history };
      const place = await placeOf(jobId, signal);
      if (place !== undefined) return { kind: place };
      // It may have ended between the two questions.
      const since = await historyOf(jobId, signal);
      return since === undefined ? { kind: 'unknown' } : { kind: 'over', history: since };
    },
  };
}
