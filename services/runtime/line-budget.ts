/** Bounds log lines that strangers can cause. */
export interface LineBudget {
  /** Calls `write` while there is room, with the number of lines left out since the last one. */
  spend(write: (leftOut: number) => void): void;
}

/** At most `maxLines` in any period of `perMs`, counted from the period's first line. */
export function createLineBudget(maxLines = 20, perMs = 10_000): LineBudget {
  let periodEnds = Number.NEGATIVE_INFINITY;
  let written = 0;
  let leftOut = 0;
  return {
    spend(write) {
      const now = performance.now();
      if (now >= periodEnds) {
        periodEnds = now + perMs;
        written = 0;
      }
      if (written >= maxLines) {
        leftOut += 1;
        return;
      }
      written += 1;
      write(leftOut);
      leftOut = 0;
    },
  };
}
