import type { EventFault } from '../proto/archive-event.ts';

/** Port: where events go that can never succeed. */
export interface DeadLetters {
  /**
   * Keeps the letter, its reason and whatever chunks of its hand-off exist. Durable on return. Safe to repeat:
   * the same letter replaces itself.
   * @throws {Error} when it is not kept for certain; the event must then stay queued.
   */
  bury(letter: DeadLetter, signal: AbortSignal): Promise<void>;
}

export interface DeadLetter {
  readonly imageHash: string;
  /** The hand-off's id, or a name that stands in for one in an event that has none. */
  readonly handoffId: string;
  /** The event's payload, byte for byte. */
  readonly payload: Uint8Array;
  readonly fault: EventFault;
}
