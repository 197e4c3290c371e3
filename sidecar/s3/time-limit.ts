/** A signal that aborts with its parent or after a time; `release` must be called when the work is over. */
export interface TimeLimit {
  readonly signal: AbortSignal;
  /** Whether the time was what ended it. */
  expired(): boolean;
  /** Time left, ms. */
  remainingMs(): number;
  release(): void;
}

/** Not AbortSignal.any with AbortSignal.timeout: those keep their timer and listener until the time is up. */
export function timeLimit(parent: AbortSignal, timeoutMs: number): TimeLimit {
  const controller = new AbortController();
  const endsAtMs = performance.now() + timeoutMs;
  let expired = false;
  const onAbort = (): void => controller.abort(parent.reason);
  const timer = setTimeout(() => {
    expired = true;
    controller.abort(new DOMException(`not done within ${timeoutMs} ms`, 'TimeoutError'));
  }, timeoutMs);
  const release = (): void => {
    clearTimeout(timer);
    parent.removeEventListener('abort', onAbort);
  };
  if (parent.aborted) onAbort();
  else parent.addEventListener('abort', onAbort, { once: true });
  return {
    signal: controller.signal,
    expired: () => expired,
    remainingMs: () => endsAtMs - performance.now(),
    release,
  };
}
