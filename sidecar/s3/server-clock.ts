/** The store's time, as far as its answers have told: signatures must be dated by its clock, not by ours. */
export interface ServerClock {
  now(): Date;
  /** Takes over the store's time. Returns whether that moved the clock enough to be worth another attempt. */
  learn(serverTimeMs: number): boolean;
}

// Policies live ten minutes and S3 tolerates 15 minutes of skew: a smaller shift cannot be why a call was refused.
const WORTHWHILE_SHIFT_MS = 30_000;

/** Starts with the local time, `localNowMs`. */
export function createServerClock(localNowMs: () => number = Date.now): ServerClock {
  let offsetMs = 0;
  return {
    now: () => new Date(localNowMs() + offsetMs),
    learn(serverTimeMs) {
      const shiftMs = serverTimeMs - localNowMs() - offsetMs;
      if (!(Math.abs(shiftMs) >= WORTHWHILE_SHIFT_MS)) return false;
      offsetMs += shiftMs;
      return true;
    },
  };
}
