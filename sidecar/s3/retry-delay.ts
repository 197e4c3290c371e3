import { backoffDelayMs } from '../../services/runtime/backoff.ts';
import type { FaultClass } from './error-classification.ts';

/** Upper bounds of the pauses between attempts, ms. */
export interface RetryPauses {
  readonly baseMs: number;
  readonly throttledBaseMs: number;
  readonly maxMs: number;
}

export const DEFAULT_PAUSES: RetryPauses = { baseMs: 100, throttledBaseMs: 1000, maxMs: 20_000 };
/** A server's Retry-After may lengthen a pause by this much, ms, as in the AWS SDK for JavaScript v3. */
const MAX_EXTENSION_MS = 5000;

/** Pause after the failed attempt `attempt` (from 1), ms. */
export function retryDelayMs(
  faultClass: FaultClass,
  attempt: number,
  retryAfterMs: number | undefined,
  pauses: RetryPauses,
  random: () => number,
): number {
  const baseMs = faultClass === 'throttle' ? pauses.throttledBaseMs : pauses.baseMs;
  const ownMs = backoffDelayMs(attempt - 1, { baseMs, maxMs: pauses.maxMs, random });
  return Math.max(ownMs, Math.min(retryAfterMs ?? 0, ownMs + MAX_EXTENSION_MS));
}
