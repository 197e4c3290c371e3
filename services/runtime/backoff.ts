/** Exponential delays with full jitter, as in AWS's "Exponential Backoff And Jitter" (2015). */
export interface BackoffOptions {
  /** Upper bound of the first delay, ms. */
  readonly baseMs: number;
  /** Upper bound of any delay, ms. */
  readonly maxMs: number;
  /** Source of randomness in [0, 1), for tests. */
  readonly random?: () => number;
}

/**
 * Delay before attempt `attempt + 1`, ms: uniform in [cap/2, cap) with cap = min(maxMs, baseMs · 2^attempt).
 * The lower half is left out so that a delay is never nearly zero, which would be a hot loop.
 */
export function backoffDelayMs(
  attempt: number,
  { baseMs, maxMs, random = Math.random }: BackoffOptions,
): number {
  const cap = Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 30));
  return Math.round(cap / 2 + (random() * cap) / 2);
}
