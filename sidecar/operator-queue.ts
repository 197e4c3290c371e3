/** A dead letter as it is kept. */
export interface KeptLetter {
  /** Place in the stream of dead letters; a letter that is buried again gets a new one. */
  readonly sequence: number;
  /** As its subject claimed; not checked. */
  readonly imageHash: string;
  /** The hand-off's id, or a name that stands in for one. */
  readonly handoffId: string;
  /** A word of `EventFaultReason`, if an archiver wrote it. */
  readonly reason: string;
  /** Text for a person. */
  readonly detail: string;
  readonly buriedAt: Date;
  /** The event's payload, byte for byte. */
  readonly payload: Uint8Array;
  /** Which chunks of its hand-off are kept with it. */
  readonly chunkIndexes: readonly number[];
}

/** An event that waits, or is being worked on. */
export interface QueuedEvent {
  readonly sequence: number;
  readonly messageId: string;
  readonly queuedAt: Date;
  readonly payload: Uint8Array;
}

/** Port: the queue as an operator sees and mends it. Every method throws {@link QueueAccessError}. */
export interface OperatorQueue {
  /** The dead letters, oldest first, read one by one; only those of `imageHash` when it is given. */
  letters(signal: AbortSignal, imageHash?: string): AsyncIterable<KeptLetter>;
  /** Copies the chunks kept with a letter back to where an archiver looks for them. Safe to repeat. */
  restoreChunks(letter: KeptLetter, signal: AbortSignal): Promise<void>;
  /** Takes restored chunks away again. Not to be called while the letter's own event is queued. */
  withdrawChunks(letter: KeptLetter): Promise<void>;
  /**
   * Publishes a letter's event under its original subject, durably when `queued`. `occupied`: an event of this image
   * is queued. `remembered`: the server has seen its message id within the stream's duplicate window, and stored
   * nothing.
   */
  requeue(letter: KeptLetter): Promise<'queued' | 'occupied' | 'remembered'>;
  /** Removes a letter and the chunks kept with it; never those of the same letter buried again since. Idempotent. */
  drop(letter: KeptLetter): Promise<void>;
  /** Whether the index has an entry for the image. */
  isArchived(imageHash: string): Promise<boolean>;
  /** Removes the entry. Idempotent. */
  forget(imageHash: string): Promise<void>;
  /** The oldest event of the image that is queued. */
  queuedEvent(imageHash: string): Promise<QueuedEvent | undefined>;
  /**
   * Removes an event from the queue, and its hand-off's chunks. Resolves with whether an archiver may hold it at this
   * moment, and so may still archive it.
   */
  cancel(imageHash: string, event: QueuedEvent): Promise<{ readonly mayBeHeld: boolean }>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** The queue cannot be reached or does not answer. */
export class QueueAccessError extends Error {
  override readonly name = 'QueueAccessError';
  /** What to do about it, one sentence for the operator. */
  readonly cure: string;

  constructor(message: string, cure: string, options?: ErrorOptions) {
    super(message, options);
    this.cure = cure;
  }
}
