/** Work that nobody waits for while the process runs, but that must be over before it stops. */
export interface PendingWork {
  /** A rejection counts as over; who handles it is not our business. */
  readonly add: (work: Promise<unknown>) => void;
  /** Resolves when all is over, work added meanwhile included, or after `deadlineMs`. */
  readonly settled: (deadlineMs: number) => Promise<void>;
}

export function createPendingWork(): PendingWork {
  const pending = new Set<Promise<unknown>>();
  return {
    add: (work) => {
      pending.add(work);
      const forget = (): void => void pending.delete(work);
      work.then(forget, forget);
    },
    settled: async (deadlineMs) => {
      const deadline = AbortSignal.timeout(deadlineMs);
      const late = new Promise((resolve) => {
        deadline.addEventListener('abort', resolve, { once: true });
      });
      while (pending.size > 0 && !deadline.aborted) {
        await Promise.race([Promise.allSettled(pending), late]);
      }
    },
  };
}
