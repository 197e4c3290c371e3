import type { TraceCarrier } from '../services/runtime/tracing/tracing.ts';

/** Port: the queue of archive events. */
export interface EventSource {
  /**
   * Takes one event, waiting for it a while. Returns undefined when none came or `signal` was aborted; an event
   * that arrived before the abort is returned all the same. Never holds an event it has not returned.
   * @throws {Error} when the queue cannot be reached; calling again is right, after a pause.
   */
  next(signal: AbortSignal): Promise<HeldEvent | undefined>;
}

/** One event, held by us until exactly one of `ack`, `retry` and `reject` is called. */
export interface HeldEvent {
  /** Place in the queue, for log lines. */
  readonly sequence: number;
  /** The image hash its subject claims; not checked. */
  readonly subjectHash: string;
  /** The message id, which is the hand-off id of a well-formed event; not checked. */
  readonly messageId: string | undefined;
  /** The trace it was sent in. */
  readonly trace: TraceCarrier;
  readonly payload: Uint8Array;
  /**
   * Removes the event from the queue; confirmed on return.
   * @throws {Error} when unconfirmed: the event may come again.
   */
  ack(): Promise<void>;
  /** Gives the event back, to be delivered again after `delayMs`; 0 is at once. When this is lost it comes back anyway, later. */
  retry(delayMs: number): void;
  /** Removes an event that can never succeed. Its dead letter must be safe by now. When this is lost the event comes again. */
  reject(): Promise<void>;
  /** Says that it is still being worked on, so that nobody else gets it. */
  working(): void;
}
