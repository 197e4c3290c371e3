import type { Logger } from '../../../services/runtime/logger.ts';
import { backoffDelayMs } from '../../../services/runtime/backoff.ts';
import type { Credentials } from '../sigv4.ts';

/** Where requests get the access key they are signed with. */
export interface CredentialProvider {
  /**
   * Credentials that are valid now, from memory most of the time.
   * @throws {TargetFault} kind `credentials` when there are none.
   */
  get(): Promise<Credentials>;
  /**
   * Others instead of ones that the store has refused; undefined when there can be no others.
   * @throws {TargetFault} kind `credentials` when fetching failed.
   */
  replace(refused: Credentials): Promise<Credentials | undefined>;
}

/** Fetches fresh credentials; bounded in time by itself. */
export type CredentialSource = () => Promise<Credentials>;

/** Credentials that never change while the process runs. */
export function staticProvider(credentials: Credentials): CredentialProvider {
  return { get: async () => credentials, replace: async () => undefined };
}

export interface CachingOptions {
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly nowMs?: () => number;
}

/** Refresh this long before the end, ms: as the AWS SDK does; or a quarter of the life if that is shorter. */
const REFRESH_AHEAD_MS = 5 * 60_000;
/** Closer to the end than this, ms, callers wait for fresh credentials: a policy must outlive its upload. */
const HARD_LIMIT_MS = 60_000;

interface Held {
  readonly credentials: Credentials;
  readonly fetchedAtMs: number;
}

/**
 * Keeps credentials of a source: one fetch at a time, in the background well before they end; callers wait only in
 * the last minute. When fetching fails, they are used as long as they are valid.
 */
export function cachingProvider(
  source: CredentialSource,
  { logger, nowMs = Date.now }: CachingOptions,
): CredentialProvider {
  let held: Held | undefined;
  let fetching: Promise<Credentials> | undefined;
  let failures = 0;
  let notBeforeMs = 0;

  const fetchOnce = (): Promise<Credentials> => {
    fetching ??= source()
      .then(
        (credentials) => {
          held = { credentials, fetchedAtMs: nowMs() };
          failures = 0;
          notBeforeMs = 0;
          return credentials;
        },
        (error: unknown) => {
          notBeforeMs = nowMs() + backoffDelayMs(failures, { baseMs: 1000, maxMs: 60_000 });
          failures += 1;
          throw error;
        },
      )
      .finally(() => {
        fetching = undefined;
      });
    return fetching;
  };

  const refreshAhead = (): void => {
    fetchOnce().catch((err: unknown) => logger.warn({ err }, 'credentials could not be refreshed yet'));
  };

  return {
    async get() {
      if (held === undefined) return fetchOnce();
      const { credentials, fetchedAtMs } = held;
      if (credentials.expiresAt === undefined) return credentials;
      const endMs = credentials.expiresAt.getTime();
      const leftMs = endMs - nowMs();
      if (leftMs <= 0) return fetchOnce();
      const mayFetch = nowMs() >= notBeforeMs;
      if (leftMs <= HARD_LIMIT_MS && mayFetch) return fetchOnce().catch(() => credentials);
      if (leftMs <= Math.min(REFRESH_AHEAD_MS, (endMs - fetchedAtMs) / 4) && mayFetch) refreshAhead();
      return credentials;
    },
    async replace(refused) {
      // Of many requests that fail at once, the first one fetches and the others find its result.
      if (held !== undefined && held.credentials !== refused) return held.credentials;
      return fetchOnce();
    },
  };
}
