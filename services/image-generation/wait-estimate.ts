/** What recent generations say about how long others will have to wait. */
export interface WaitEstimate {
  /** A generation has held its running place for so long, ms. */
  observe(heldMs: number): void;
  /** When the job at a place of the queue, from 1, is expected to be over, ms from now. */
  untilOverMs(position: number): number;
  /** When a caller who found no room among `queued` jobs should come back, ms. */
  retryAfterMs(queued: number): number;
}

export interface WaitEstimateOptions {
  readonly maxRunning: number;
  /** From 0 to 1. */
  readonly random?: () => number;
}

/** Taken for the length of a generation until there has been one, ms: a small picture on a fast engine. */
const FIRST_GUESS_MS = 1_000;
/** Weight of the newest observation, as TCP smooths its round trip times (RFC 6298). */
const NEWEST_WEIGHT = 1 / 8;
/** Sooner nobody need come back, and later nobody would believe us, ms. */
const RETRY_MIN_MS = 200;
const RETRY_MAX_MS = 30_000;

export function createWaitEstimate({ maxRunning, random = Math.random }: WaitEstimateOptions): WaitEstimate {
  let meanMs: number | undefined;
  const generationMs = (): number => meanMs ?? FIRST_GUESS_MS;
  return {
    observe(heldMs) {
      meanMs = meanMs === undefined ? heldMs : meanMs + (heldMs - meanMs) * NEWEST_WEIGHT;
    },
    untilOverMs: (position) => (position / maxRunning + 1) * generationMs(),
    retryAfterMs(queued) {
      const untilEmptyMs = ((queued + 1) / maxRunning) * generationMs();
      const boundedMs = Math.min(Math.max(untilEmptyMs, RETRY_MIN_MS), RETRY_MAX_MS);
      // From half of it on: those who were refused together do not come back together, and the queue never runs dry.
      return Math.round(boundedMs * (0.5 + random() / 2));
    },
  };
}
