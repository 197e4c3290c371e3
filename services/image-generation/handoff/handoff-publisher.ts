import type { SpooledHandOff } from './spool-file.ts';

/** Port: gives hand-offs to the broker. */
export interface HandOffPublisher {
  readonly connected: boolean;
  /**
   * Publishes one hand-off; on return the broker has acknowledged that its pair is queued. May be repeated
   * after a failure, also by another process: the pair is queued once.
   * @throws {PublishError} when the broker is at fault: its outcome may be unknown; repeat.
   * @throws the signal's reason when it aborts between two messages: repeat, in another process.
   */
  publish(handOff: SpooledHandOff, signal?: AbortSignal): Promise<void>;
  /** Calls `listener` whenever the connection comes or goes. */
  onConnectionChange(listener: (connected: boolean) => void): void;
  close(): Promise<void>;
}

export type PublishFailure = 'disconnected' | 'timeout' | 'no-stream' | 'stream-full' | 'refused';

/** The broker did not take the hand-off, or did not say so. A retry can help. */
export class PublishError extends Error {
  override readonly name = 'PublishError';
  readonly failure: PublishFailure;

  constructor(failure: PublishFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}
