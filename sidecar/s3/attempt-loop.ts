import { setTimeout as sleep } from 'node:timers/promises';
import type { EventFault } from '../../proto/archive-event.ts';
import type { Logger } from '../../services/runtime/logger.ts';
import { untilAborted } from '../../services/runtime/until-aborted.ts';
import { TargetFault } from '../object-store.ts';
import type { CredentialProvider } from './credentials/credential-provider.ts';
import { classifyNetworkError, type FaultClass, transientFailure } from './error-classification.ts';
import { type RetryBudget, RETRY_COST_TOKENS, THROTTLED_RETRY_COST_TOKENS } from './retry-budget.ts';
import { type RetryPauses, retryDelayMs } from './retry-delay.ts';
import type { ServerClock } from './server-clock.ts';
import type { Credentials } from './sigv4.ts';
import { faultOfNetwork, type Operation } from './target-faults.ts';
import { type TimeLimit, timeLimit } from './time-limit.ts';

/** What one attempt gets: nothing of it may be kept for the next one. */
export interface Attempt {
  readonly credentials: Credentials;
  /** Date for the signature, by the store's clock. */
  readonly date: Date;
  readonly signal: AbortSignal;
}

export interface AttemptFailure {
  readonly ok: false;
  readonly faultClass: FaultClass;
  /** What to throw when this was the last attempt. */
  readonly fault: TargetFault | EventFault;
  readonly retryAfterMs?: number | undefined;
  readonly serverTimeMs?: number | undefined;
}

export type AttemptOutcome<T> = { readonly ok: true; readonly value: T } | AttemptFailure;

export interface Task<T> {
  readonly operation: Operation;
  /** Longest time for one attempt, ms. */
  readonly timeoutMs: number;
  readonly attempt: (attempt: Attempt) => Promise<AttemptOutcome<T>>;
}

/** What a caller may watch, for metrics. */
export interface AttemptReport {
  readonly method: Operation['method'];
  readonly outcome: 'ok' | FaultClass;
  readonly durationMs: number;
}

export interface AttemptLoopOptions {
  readonly origin: string;
  readonly credentials: CredentialProvider;
  readonly clock: ServerClock;
  readonly budget: RetryBudget;
  readonly maxAttempts: number;
  /** For all attempts of one task, ms; a task whose single attempt may take longer gets that time. */
  readonly deadlineMs: number;
  readonly pauses: RetryPauses;
  readonly random: () => number;
  readonly logger: Logger;
  readonly observe?: ((report: AttemptReport) => void) | undefined;
}

/** Runs a task until it succeeds, no retry can help, or attempts, budget or time are used up. */
export interface AttemptLoop {
  /**
   * @throws {TargetFault | EventFault} of the last attempt.
   * @throws the reason of `signal` when it aborts.
   */
  run<T>(task: Task<T>, signal: AbortSignal): Promise<T>;
}

export function createAttemptLoop(options: AttemptLoopOptions): AttemptLoop {
  return {
    async run(task, signal) {
      const limit = timeLimit(signal, Math.max(options.deadlineMs, task.timeoutMs));
      const last: { failure?: AttemptFailure } = {};
      try {
        return await attemptUntilDone(options, task, limit, last);
      } catch (error) {
        signal.throwIfAborted();
        if (limit.expired()) throw last.failure?.fault ?? noAnswerInTime(options, task.operation, error);
        throw error;
      } finally {
        limit.release();
      }
    },
  };
}

async function attemptUntilDone<T>(
  options: AttemptLoopOptions,
  task: Task<T>,
  limit: TimeLimit,
  last: { failure?: AttemptFailure },
): Promise<T> {
  const tried = new Set<FaultClass>();
  let spentTokens = 0;
  for (let number = 1; ; number += 1) {
    const credentials = await currentCredentials(options, limit.signal);
    const outcome = await attemptOnce(options, task, credentials, limit.signal);
    if (outcome.ok) {
      // A retry that succeeded was no part of a storm: its tokens come back.
      options.budget.give(Math.max(1, spentTokens));
      return outcome.value;
    }
    last.failure = outcome;
    const again =
      number < options.maxAttempts && (await mayRetry(options, outcome, credentials, tried, limit.signal));
    const cost = outcome.faultClass === 'throttle' ? THROTTLED_RETRY_COST_TOKENS : RETRY_COST_TOKENS;
    if (!again || !options.budget.take(cost)) throw outcome.fault;
    spentTokens = cost;
    await pauseAfter(options, task.operation, outcome, number, limit);
  }
}

/** One attempt within its own time limit; errors of the network become failures, errors of ours are thrown. */
async function attemptOnce<T>(
  options: AttemptLoopOptions,
  { attempt, operation, timeoutMs }: Task<T>,
  credentials: Credentials,
  parent: AbortSignal,
): Promise<AttemptOutcome<T>> {
  const limit = timeLimit(parent, timeoutMs);
  const startedAt = performance.now();
  const report = (outcome: AttemptOutcome<T>): AttemptOutcome<T> => {
    const durationMs = performance.now() - startedAt;
    options.observe?.({
      method: operation.method,
      outcome: outcome.ok ? 'ok' : outcome.faultClass,
      durationMs,
    });
    return outcome;
  };
  try {
    return report(await attempt({ credentials, date: options.clock.now(), signal: limit.signal }));
  } catch (error) {
    if (parent.aborted) throw error;
    const network = limit.expired()
      ? transientFailure(`nothing within ${timeoutMs} ms`)
      : classifyNetworkError(error);
    if (network === undefined) throw error;
    const fault = faultOfNetwork(network, operation, options.origin, error);
    return report({ ok: false, faultClass: network.faultClass, fault });
  } finally {
    limit.release();
  }
}

/** Whether another attempt may help; changes first what made this one fail, if that can be changed. */
async function mayRetry(
  { clock, credentials: provider, logger }: AttemptLoopOptions,
  { faultClass, serverTimeMs }: AttemptFailure,
  refused: Credentials,
  tried: Set<FaultClass>,
  signal: AbortSignal,
): Promise<boolean> {
  const first = !tried.has(faultClass);
  tried.add(faultClass);
  switch (faultClass) {
    case 'throttle':
    case 'transient':
      return true;
    case 'retry-once':
      return first;
    case 'refresh-credentials':
      return first && (await untilAborted(provider.replace(refused), signal)) !== undefined;
    case 'clock':
      if (serverTimeMs !== undefined && clock.learn(serverTimeMs)) {
        logger.warn("this machine's clock is wrong: requests are dated by the store's clock from now on");
      }
      // Also when the clock was right already: another request that failed at the same time may have set it.
      return first;
    case 'redirect':
    case 'fatal':
      break;
  }
  return false;
}

/** The provider's credentials, unless they have ended: a policy signed with those would end in the past. */
async function currentCredentials(
  { credentials: provider, clock }: AttemptLoopOptions,
  signal: AbortSignal,
): Promise<Credentials> {
  const credentials = await untilAborted(provider.get(), signal);
  if (credentials.expiresAt === undefined || credentials.expiresAt > clock.now()) return credentials;
  throw new TargetFault(
    'credentials',
    `the temporary credentials ended at ${credentials.expiresAt.toISOString()}`,
    'renew AWS_SESSION_TOKEN with its keys, or correct AWS_CREDENTIAL_EXPIRATION',
  );
}

async function pauseAfter(
  options: AttemptLoopOptions,
  { method, target }: Operation,
  { faultClass, fault, retryAfterMs }: AttemptFailure,
  number: number,
  limit: TimeLimit,
): Promise<void> {
  const delayMs = retryDelayMs(faultClass, number, retryAfterMs, options.pauses, options.random);
  // A pause that ends after the deadline leads nowhere.
  if (delayMs >= limit.remainingMs()) throw fault;
  options.logger.debug(
    { method, target, attempt: number, faultClass, reason: fault.message, delayMs },
    'S3 request is tried again',
  );
  await sleep(delayMs, undefined, { signal: limit.signal });
}

function noAnswerInTime(
  { origin, deadlineMs }: AttemptLoopOptions,
  operation: Operation,
  cause: unknown,
): TargetFault {
  return faultOfNetwork(transientFailure(`nothing within ${deadlineMs} ms`), operation, origin, cause);
}
