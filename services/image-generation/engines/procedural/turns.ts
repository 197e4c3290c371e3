/** Share of the event loop one stretch of drawing may take before it gives way, ms. */
const SLICE_MS = 3;

/**
 * Lets many jobs draw in JavaScript without holding up the event loop: one slice of one job per loop
 * iteration, everything else of the process in between.
 */
export interface Turns {
  /**
   * Calls `row` for 0 … count − 1, giving way whenever a slice is used up.
   * @throws signal.reason when aborted.
   */
  forEach(count: number, row: (index: number) => void, signal: AbortSignal): Promise<void>;
}

export function createTurns(): Turns {
  const waiting: (() => void)[] = [];
  const serve = (): void => {
    const wake = waiting.shift();
    if (waiting.length > 0) {
      setImmediate(serve);
    }
    wake?.();
  };
  const nextTurn = (): Promise<void> =>
    new Promise((resolve) => {
      waiting.push(resolve);
      if (waiting.length === 1) {
        setImmediate(serve);
      }
    });
  return {
    async forEach(count, row, signal) {
      await nextTurn();
      signal.throwIfAborted();
      let sliceEnd = performance.now() + SLICE_MS;
      for (let index = 0; index < count; index++) {
        if (performance.now() >= sliceEnd) {
          await nextTurn();
          signal.throwIfAborted();
          sliceEnd = performance.now() + SLICE_MS;
        }
        row(index);
      }
    },
  };
}
