/** A first-come, first-served bound on bytes held at the same time. */
export interface ByteBudget {
  /**
   * Waits until `bytes` fit. More than the whole budget counts as the whole budget: a giant waits until it is
   * alone instead of for ever.
   * @throws the signal's reason when it is aborted first.
   */
  acquire(bytes: number, signal: AbortSignal): Promise<ByteLease>;
  readonly bytesInUse: number;
}

/** Bytes of a budget in somebody's hands. */
export interface ByteLease {
  /** Gives back what is more than `bytes`; never takes more. */
  readonly shrinkTo: (bytes: number) => void;
  /** Gives all back. Idempotent. */
  readonly release: () => void;
}

interface Waiter {
  readonly bytes: number;
  readonly admit: () => void;
}

export function createByteBudget(maxBytes: number): ByteBudget {
  const queue: Waiter[] = [];
  let bytesInUse = 0;

  const admitWaiting = (): void => {
    for (
      let first = queue[0];
      first !== undefined && bytesInUse + first.bytes <= maxBytes;
      first = queue[0]
    ) {
      queue.shift();
      bytesInUse += first.bytes;
      first.admit();
    }
  };

  const lease = (bytes: number): ByteLease => {
    let held = bytes;
    const shrinkTo = (kept: number): void => {
      if (kept >= held) return;
      bytesInUse -= held - kept;
      held = kept;
      admitWaiting();
    };
    return { shrinkTo, release: () => shrinkTo(0) };
  };

  return {
    get bytesInUse() {
      return bytesInUse;
    },
    acquire: (bytes, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason as Error);
        const weight = Math.min(bytes, maxBytes);
        const onAbort = (): void => {
          queue.splice(queue.indexOf(waiter), 1);
          reject(signal.reason as Error);
          admitWaiting();
        };
        const waiter: Waiter = {
          bytes: weight,
          admit: () => {
            signal.removeEventListener('abort', onAbort);
            resolve(lease(weight));
          },
        };
        signal.addEventListener('abort', onAbort, { once: true });
        queue.push(waiter);
        admitWaiting();
      }),
  };
}
