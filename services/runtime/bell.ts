/** Lets loops sleep until something has changed. */
export interface Bell {
  /** Wakes everybody who waits now. */
  ring(): void;
  /** Resolves at the next ring, after `ms` if given, or when the signal aborts, if given. Never rejects. */
  wait(ms?: number, signal?: AbortSignal): Promise<void>;
}

export function createBell(): Bell {
  const sleepers = new Set<() => void>();
  return {
    ring() {
      for (const wake of sleepers) wake();
    },
    wait(ms, signal) {
      if (signal?.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const wake = (): void => {
          sleepers.delete(wake);
          signal?.removeEventListener('abort', wake);
          clearTimeout(timer);
          resolve();
        };
        const timer = ms === undefined ? undefined : setTimeout(wake, ms);
        sleepers.add(wake);
        signal?.addEventListener('abort', wake, { once: true });
      });
    },
  };
}
