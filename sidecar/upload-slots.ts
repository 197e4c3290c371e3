import { createByteBudget } from '../services/runtime/byte-budget.ts';

/** Bounds how many pairs are uploaded at the same time, first come, first served. */
export interface UploadSlots {
  /**
   * Waits for a slot; what it returns gives the slot back.
   * @throws the signal's reason when it is aborted first.
   */
  enter(signal: AbortSignal): Promise<() => void>;
}

/**
 * A budget whose bytes are slots. A slot is free a turn of the event loop after it was left: whoever left it because
 * the target is faulty has told the breaker by then, which turns the next one away.
 */
export function createUploadSlots(count: number): UploadSlots {
  const slots = createByteBudget(count);
  return {
    enter: async (signal) => {
      const { release } = await slots.acquire(1, signal);
      return () => void setImmediate(release);
    },
  };
}
