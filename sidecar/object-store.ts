import type { Span } from '../services/runtime/tracing/tracing.ts';

/**
 * Port: the bucket. Every call may be repeated: keys are content hashes, so the same key means the same bytes.
 * `span`, which stays the caller's, is told what the request was like.
 */
export interface ObjectStore {
  /**
   * Stores one object under `key`, durably on return. Safe to repeat. Retries what a retry can help,
   * within `signal`.
   * @throws {TargetFault} when the bucket, its credentials or the way to it are at fault.
   * @throws {EventFault} OBJECT_SIZE_REFUSED when the bucket refuses an object of this size for good.
   */
  put(object: StoredObject, signal: AbortSignal, span?: Span): Promise<void>;
  /** Whether an object exists under `key`; `unknown` when the credentials may not tell (403 on HEAD). */
  exists(key: string, signal: AbortSignal, span?: Span): Promise<'present' | 'absent' | 'unknown'>;
}

export interface StoredObject {
  readonly key: string;
  readonly body: Uint8Array;
  readonly contentType: string;
  /** SHA-256 of `body`, 32 bytes. */
  readonly sha256: Uint8Array;
  /** User metadata, stored as `x-amz-meta-{name}`; lower-case names. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** What the operator has to look at. */
export type TargetFaultKind =
  | 'credentials'
  | 'permission'
  | 'bucket'
  | 'configuration'
  | 'clock'
  | 'throttled'
  | 'unavailable'
  | 'network';

/** The target, not the event, is at fault: the event stays queued and is tried again. */
export class TargetFault extends Error {
  override readonly name = 'TargetFault';
  readonly kind: TargetFaultKind;
  /** What to do about it, one sentence for the operator. */
  readonly cure: string;
  /** When the target asked to be tried again, ms. */
  readonly retryAfterMs: number | undefined;

  constructor(
    kind: TargetFaultKind,
    message: string,
    cure: string,
    options?: ErrorOptions & { retryAfterMs?: number },
  ) {
    super(message, options);
    this.kind = kind;
    this.cure = cure;
    this.retryAfterMs = options?.retryAfterMs;
  }
}
