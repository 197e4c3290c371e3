import { createByteBudget } from '../services/runtime/byte-budget.ts';

/** Bounds how many pairs are uploaded at the same time, first come, first served. */
export interface UploadSlots {
  /**
   * Waits for a slot; what it returns gives the slot back.
   * @throws the signal's reason when it is aborted first.
   */
  enter(signal: AbortSignal): Promise<() => void>;
}

/** A budget whose bytes are slots. */
export function createUploadSlots(count: number): UploadSlots {
  const slots = createByteBudget(count);
  return { enter: async (signal) => (await slots.acquire(1, signal)).release };
}
