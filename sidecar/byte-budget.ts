/** A first-come, first-served bound on bytes held at the same time. */
export interface ByteBudget {
  /**
   * Waits until `bytes` fit and returns what gives them back (idempotent). More than the whole budget counts as
   * the whole budget: a giant waits until it is alone instead of for ever.
   * @throws the signal's reason when it is aborted first.
   */
  acquire(bytes: number, signal: AbortSignal): Promise<() => void>;
  readonly bytesInUse: number;
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

  const releaseOnce = (bytes: number): (() => void) => {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      bytesInUse -= bytes;
      admitWaiting();
    };
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
            resolve(releaseOnce(weight));
          },
        };
        signal.addEventListener('abort', onAbort, { once: true });
        queue.push(waiter);
        admitWaiting();
      }),
  };
}
