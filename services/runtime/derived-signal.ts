/** A signal that aborts with its parent, on demand, and after a while. */
export interface DerivedSignal {
  readonly signal: AbortSignal;
  abort(reason: Error): void;
  /** Lets go of the parent and the timer. Must be called. */
  dispose(): void;
}

/**
 * By hand instead of `AbortSignal.any([parent, AbortSignal.timeout(ms)])`: on Node 20 that may be collected
 * before its timeout fires (nodejs/node#54614), and it cannot be let go of early.
 */
export function derivedSignal(
  parent: AbortSignal,
  limit?: { readonly ms: number; readonly reason: () => Error },
): DerivedSignal {
  const controller = new AbortController();
  const onParent = (): void => controller.abort(parent.reason);
  const timer =
    limit === undefined ? undefined : setTimeout(() => controller.abort(limit.reason()), limit.ms);
  if (parent.aborted) onParent();
  else parent.addEventListener('abort', onParent, { once: true });
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    dispose() {
      clearTimeout(timer);
      parent.removeEventListener('abort', onParent);
    },
  };
}
