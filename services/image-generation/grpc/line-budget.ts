/** Bounds how many log lines of each kind are written: a token bucket per kind. */
export interface LineBudget {
  /** Leave to write one line, with how many of its kind were suppressed since the last; undefined without leave. */
  take(kind: number): { readonly suppressed: number } | undefined;
}

export interface LineBudgetOptions {
  /** Lines of one kind at once. */
  readonly burst: number;
  readonly perSecond: number;
  /** Milliseconds; the monotonic clock by default. */
  readonly now?: () => number;
}

interface Bucket {
  lines: number;
  filledAtMs: number;
  suppressed: number;
}

/** Kinds are never forgotten: they must be few. */
export function createLineBudget({
  burst,
  perSecond,
  now = () => performance.now(),
}: LineBudgetOptions): LineBudget {
  const buckets = new Map<number, Bucket>();
  return {
    take(kind) {
      const nowMs = now();
      const bucket = buckets.get(kind) ?? { lines: burst, filledAtMs: nowMs, suppressed: 0 };
      buckets.set(kind, bucket);
      bucket.lines = Math.min(burst, bucket.lines + ((nowMs - bucket.filledAtMs) / 1_000) * perSecond);
      bucket.filledAtMs = nowMs;
      if (bucket.lines < 1) {
        bucket.suppressed += 1;
        return undefined;
      }
      const { suppressed } = bucket;
      bucket.lines -= 1;
      bucket.suppressed = 0;
      return { suppressed };
    },
  };
}
