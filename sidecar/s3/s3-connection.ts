import { Pool } from 'undici';
import type { Logger } from '../../services/runtime/logger.ts';
import {
  type AttemptFailure,
  type AttemptLoop,
  type AttemptLoopOptions,
  type AttemptReport,
  createAttemptLoop,
} from './attempt-loop.ts';
import { type CredentialProvider, staticProvider } from './credentials/credential-provider.ts';
import { classifyAnswer, type FaultClass } from './error-classification.ts';
import { createRetryBudget } from './retry-budget.ts';
import { DEFAULT_PAUSES, type RetryPauses } from './retry-delay.ts';
import { errorFacts, type S3Answer } from './s3-answer.ts';
import type { S3Config } from './s3-config.ts';
import { type S3Location, s3Location } from './s3-location.ts';
import { createServerClock, type ServerClock } from './server-clock.ts';
import { faultOfAnswer, type Operation } from './target-faults.ts';

export interface S3ConnectionOptions {
  readonly config: S3Config;
  readonly credentials: CredentialProvider;
  readonly logger: Logger;
  /** Connections at most. Default 32. */
  readonly connections?: number;
  readonly timeouts?: Partial<S3Timeouts>;
  /** Attempts per call at most. Default 5. */
  readonly maxAttempts?: number;
  readonly pauses?: Partial<RetryPauses>;
  readonly observe?: (report: AttemptReport) => void;
  /** Milliseconds since the epoch. */
  readonly nowMs?: () => number;
  readonly random?: () => number;
}

/** All ms. */
export interface S3Timeouts {
  readonly connectMs: number;
  /** Without progress while the request is sent or its answer awaited. */
  readonly headersMs: number;
  /** Between two parts of an answer. */
  readonly bodyMs: number;
  /** One attempt, to which comes the time for its bytes: see {@link attemptTimeoutMs}. */
  readonly attemptMs: number;
  /** All attempts of one call. */
  readonly deadlineMs: number;
}

export const DEFAULT_TIMEOUTS: S3Timeouts = {
  connectMs: 5000,
  headersMs: 30_000,
  bodyMs: 30_000,
  attemptMs: 10_000,
  deadlineMs: 60_000,
};
/** Slowest way to the store that still counts as working, bytes/s. */
const MIN_BYTES_PER_SECOND = 64 * 1024;

/** What all requests to one bucket share. Owns its sockets: `close` them. */
export interface S3Connection {
  readonly config: S3Config;
  readonly location: S3Location;
  readonly pool: Pool;
  readonly clock: ServerClock;
  readonly credentials: CredentialProvider;
  readonly attempts: AttemptLoop;
  /** The same without credentials. */
  readonly anonymousAttempts: AttemptLoop;
  /** Time for one attempt that carries `bytes`, ms. */
  readonly attemptTimeoutMs: (bytes: number) => number;
  /** Waits for requests in flight up to `graceMs` (default 5000), then cuts them off. May be called again. */
  readonly close: (graceMs?: number) => Promise<void>;
}

export function createS3Connection(options: S3ConnectionOptions): S3Connection {
  const { config, credentials, logger, nowMs = Date.now } = options;
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
  const location = s3Location(config);
  const pool = createPool(location.origin, timeouts, options.connections ?? 32);
  const clock = createServerClock(nowMs);
  const loop: AttemptLoopOptions = {
    origin: location.origin,
    credentials,
    clock,
    budget: createRetryBudget(),
    maxAttempts: options.maxAttempts ?? 5,
    deadlineMs: timeouts.deadlineMs,
    pauses: { ...DEFAULT_PAUSES, ...options.pauses },
    random: options.random ?? Math.random,
    logger,
    observe: options.observe,
  };
  const nobody = staticProvider({ accessKeyId: '', secretAccessKey: '' });
  return {
    config,
    location,
    pool,
    clock,
    credentials,
    attempts: createAttemptLoop(loop),
    anonymousAttempts: createAttemptLoop({ ...loop, credentials: nobody }),
    attemptTimeoutMs: (bytes) => timeouts.attemptMs + Math.ceil((bytes / MIN_BYTES_PER_SECOND) * 1000),
    close: (graceMs = 5000) => closePool(pool, graceMs),
  };
}

/** The failure that an unsuccessful answer stands for. */
export function failureOf(
  answer: S3Answer,
  operation: Operation,
  { config, location }: S3Connection,
  override?: FaultClass,
): AttemptFailure {
  const facts = errorFacts(answer);
  const faultClass = override ?? classifyAnswer(facts, config.region);
  const fault = faultOfAnswer(facts, faultClass, operation, { ...config, origin: location.origin });
  return {
    ok: false,
    faultClass,
    fault,
    retryAfterMs: facts.retryAfterMs,
    serverTimeMs: facts.serverTimeMs,
  };
}

function createPool(origin: string, timeouts: S3Timeouts, connections: number): Pool {
  return new Pool(origin, {
    connections,
    // Never more than one: an upload must not wait behind another one, nor fail with it.
    pipelining: 1,
    keepAliveTimeout: 4000,
    keepAliveMaxTimeout: 60_000,
    headersTimeout: timeouts.headersMs,
    bodyTimeout: timeouts.bodyMs,
    connect: { timeout: timeouts.connectMs },
    allowH2: false,
  });
}

async function closePool(pool: Pool, graceMs: number): Promise<void> {
  if (pool.destroyed) return;
  let timer: NodeJS.Timeout | undefined;
  const grace = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, graceMs);
  });
  try {
    if (!pool.closed) await Promise.race([pool.close(), grace]);
  } finally {
    clearTimeout(timer);
    if (!pool.destroyed) await pool.destroy();
  }
}
