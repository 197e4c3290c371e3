/** Work that nobody waits for while the process runs, but that must be over before it stops. */
export interface PendingWork {
  /** A rejection counts as over; who handles it is not our business. */
  readonly add: (work: Promise<unknown>) => void;
  /** Resolves when all is over, work added meanwhile included, or after `deadlineMs`. */
  settled(deadlineMs: number): Promise<void>;
}

export function createPendingWork(): PendingWork {
  const pending = new Set<Promise<unknown>>();
  return {
    add: (work) => {
      pending.add(work);
      const forget = (): void => void pending.delete(work);
      work.then(forget, forget);
    },
    async settled(deadlineMs) {
      let late = false;
      let timer: NodeJS.Timeout | undefined;
      const deadline = new Promise<void>((resolve) => {
        timer = setTimeout(() => resolve(void (late = true)), deadlineMs);
      });
      while (pending.size > 0 && !late) await Promise.race([Promise.allSettled(pending), deadline]);
      clearTimeout(timer);
    },
  };
}
