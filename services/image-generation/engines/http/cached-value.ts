import { untilAborted } from '../../../runtime/until-aborted.ts';

export interface CachedValueOptions<T> {
  /** Must end by itself: callers come and go while it runs. */
  readonly load: () => Promise<T>;
  /** Age up to which the value is given without a question, ms. */
  readonly freshMs: number;
  /** Age up to which it is still given, while a new one is loaded behind, ms. */
  readonly usableMs: number;
  /** Milliseconds of a monotonic clock, for tests. */
  readonly nowMs?: () => number;
}

/** A value that is dear to get: kept for a bounded time, loaded by one at a time. */
export interface CachedValue<T> {
  /** The last value, however old. */
  readonly last: T | undefined;
  /** @throws what `load` throws when there is no usable value. @throws signal.reason when aborted. */
  get(signal: AbortSignal): Promise<T>;
  /** Takes over a value that came another way. */
  set(value: T): void;
  /** The next `get` loads. */
  forget(): void;
}

export function createCachedValue<T>(options: CachedValueOptions<T>): CachedValue<T> {
  const { load, freshMs, usableMs, nowMs = () => performance.now() } = options;
  let held: { readonly value: T; readonly sinceMs: number } | undefined;
  let last: T | undefined;
  let loading: Promise<T> | undefined;
  const set = (value: T): void => {
    held = { value, sinceMs: nowMs() };
    last = value;
  };
  const loadOnce = (): Promise<T> => {
    loading ??= load()
      .then((value) => {
        set(value);
        return value;
      })
      .finally(() => {
        loading = undefined;
      });
    return loading;
  };
  return {
    get last() {
      return last;
    },
    async get(signal) {
      const ageMs = held === undefined ? Number.POSITIVE_INFINITY : nowMs() - held.sinceMs;
      if (held === undefined || ageMs > usableMs) return untilAborted(loadOnce(), signal);
      if (ageMs > freshMs) loadOnce().catch(() => {}); // The old value serves until it is too old.
      return held.value;
    },
    set,
    forget() {
      held = undefined;
    },
  };
}
