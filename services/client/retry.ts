/** The client's one retry policy: what may be repeated, when, and how often. */
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffDelayMs } from '../runtime/backoff.ts';
import { GenerateImageError } from './errors.ts';

export interface RetryOptions {
  /** Calls in all, the first included; 1 switches retries off. Default 4. */
  readonly maxAttempts?: number;
  /** Upper bound of the first pause, ms; doubles each time. Default 250. */
  readonly baseDelayMs?: number;
  /** Upper bound of the doubled pauses, and the longest pause of a server's wish that is kept, ms. Default 30,000. */
  readonly maxDelayMs?: number;
  /** Source of randomness in [0, 1), for tests. */
  readonly random?: () => number;
}

/** A call that is about to be repeated. */
export interface RetryNotice {
  /** Number of the attempt that failed, from 1. */
  readonly attempt: number;
  readonly maxAttempts: number;
  /** Pause before the next attempt, ms. */
  readonly delayMs: number;
  readonly error: GenerateImageError;
}

export interface RetryScope {
  readonly signal: AbortSignal | undefined;
  /** Of all attempts together, milliseconds since the epoch. */
  readonly deadline: number;
  readonly onRetry: ((notice: RetryNotice) => void) | undefined;
}

/** One try. `committed` says, when it failed, whether the server had taken the job on. */
export interface Attempt<T> {
  readonly run: () => Promise<T>;
  readonly committed: () => boolean;
}

/**
 * Runs attempts until one succeeds or repeating is not safe, not useful or not in time; rejects with the last
 * attempt's error, or with the signal's reason.
 *
 * Repeated are, only while the server has not sent `accepted` and so no engine has worked and no listener has heard
 * anything:
 * - UNAVAILABLE: nobody answered, or the server is stopping;
 * - RESOURCE_EXHAUSTED with RetryInfo: the queue is full for the moment (without RetryInfo it is not: the picture
 *   is too large for the GPU);
 * - ABORTED / REQUEST_IN_PROGRESS after an attempt that was lost on the way: that attempt is still being taken
 *   down on the server. On the first attempt the id is somebody else's, and the error stands.
 * The server's RetryInfo is a floor under the pause; one beyond `maxDelayMs` or the deadline ends the retrying,
 * since the error itself, which tells when to come back, is worth more than a long silence.
 */
export async function withRetries<T>(
  createAttempt: () => Attempt<T>,
  options: RetryOptions,
  { signal, deadline, onRetry }: RetryScope,
): Promise<T> {
  const maxAttempts = Math.max(1, options.maxAttempts ?? 4);
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    const { run, committed } = createAttempt();
    try {
      return await run();
    } catch (error) {
      if (attempt >= maxAttempts || committed() || !isRepeatable(error, attempt)) throw error;
      const delayMs = pauseMs(error, attempt, options);
      if (delayMs === undefined || Date.now() + delayMs >= deadline) throw error;
      onRetry?.({ attempt, maxAttempts, delayMs, error });
      await pause(delayMs, signal);
    }
  }
}

function isRepeatable(error: unknown, attempt: number): error is GenerateImageError {
  if (!(error instanceof GenerateImageError)) return false;
  switch (error.codeName) {
    case 'UNAVAILABLE':
      return true;
    case 'RESOURCE_EXHAUSTED':
      return error.retryAfterMs !== undefined;
    case 'ABORTED':
      return error.reason === 'REQUEST_IN_PROGRESS' && attempt > 1;
    default:
      return false;
  }
}

/** Undefined when the server wants a longer pause than is kept. */
function pauseMs(error: GenerateImageError, attempt: number, options: RetryOptions): number | undefined {
  const { baseDelayMs = 250, maxDelayMs = 30_000, random = Math.random } = options;
  const floorMs = error.retryAfterMs ?? 0;
  if (floorMs > maxDelayMs) return undefined;
  // The jitter goes on top: callers that were refused together must not come back together.
  return floorMs + backoffDelayMs(attempt - 1, { baseMs: baseDelayMs, maxMs: maxDelayMs, random });
}

/** @throws the signal's reason. */
async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
