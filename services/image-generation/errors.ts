/** The errors of the service. Each knows its public text and whether a retry can help; grpc/status.ts maps them. */

/** One thing wrong with one field of a request. */
export interface FieldViolation {
  /** Path of the field as in the proto file, such as `loras[1].strength`. */
  readonly field: string;
  /** Stable UPPER_SNAKE_CASE word, such as PROMPT_REQUIRED. */
  readonly reason: string;
  /** What is wrong and what would be right, for a person. */
  readonly description: string;
}

/** The request is wrong whatever the state of the service: every violation at once. */
export class InvalidRequestError extends Error {
  override readonly name = 'InvalidRequestError';
  readonly violations: readonly [FieldViolation, ...FieldViolation[]];

  constructor(violations: readonly [FieldViolation, ...FieldViolation[]]) {
    super(`${violations[0].field}: ${violations[0].description}`);
    this.violations = violations;
  }
}

/** The request names something that is not there. */
export class NotFoundError extends Error {
  override readonly name = 'NotFoundError';
  readonly reason: string;
  readonly resourceType: 'model' | 'lora';
  readonly resourceName: string;

  constructor(resourceType: 'model' | 'lora', resourceName: string) {
    super(`${resourceType} ${JSON.stringify(resourceName)} is not known to the engine`);
    this.resourceType = resourceType;
    this.resourceName = resourceName;
    this.reason = `${resourceType.toUpperCase()}_NOT_FOUND`;
  }
}

/** The request is well-formed, but this deployment or its present state cannot do it. */
export class PreconditionError extends Error {
  override readonly name = 'PreconditionError';
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** The caller does not show what this deployment asks for. Never holds what it did show. */
export class UnauthenticatedError extends Error {
  override readonly name = 'UnauthenticatedError';
  readonly reason: 'TOKEN_REQUIRED' | 'TOKEN_INVALID' | 'CERTIFICATE_REQUIRED';

  constructor(reason: UnauthenticatedError['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** The call's headers are larger than the service reads. */
export class MetadataTooLargeError extends Error {
  override readonly name = 'MetadataTooLargeError';

  constructor(maxBytes: number) {
    super(`the call has more than ${maxBytes} bytes of metadata`);
  }
}

/** The engine in use cannot honour a part of the request; ignoring it would make another picture. */
export const unsupported = (message: string): PreconditionError =>
  new PreconditionError('UNSUPPORTED_BY_BACKEND', message);

/** A request with this id is running in this process. */
export class RequestInProgressError extends Error {
  override readonly name = 'RequestInProgressError';

  constructor(requestId: string) {
    super(`request ${requestId} is in progress`);
  }
}

/** No room for another generation now. */
export class OverloadedError extends Error {
  override readonly name = 'OverloadedError';
  /** When to try again, ms. */
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs: number) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

/** The service is stopping. */
export class ShuttingDownError extends Error {
  override readonly name = 'ShuttingDownError';

  constructor() {
    super('the service is shutting down');
  }
}

/** The caller's deadline, or the server's for callers without one, has passed. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';

  constructor() {
    super('the deadline has passed');
  }
}

/** The archive did not take the image, and the caller wanted nothing else. */
export class ArchiveUnavailableError extends Error {
  override readonly name = 'ArchiveUnavailableError';

  constructor() {
    super('the image was made, but could not be handed over to the archive');
  }
}

/** The image was not in the bucket when the caller's time was over; the archive goes on. */
export class ArchiveDeadlineError extends Error {
  override readonly name = 'ArchiveDeadlineError';
  readonly imageHash: string;
  /** Where the image will be. */
  readonly key: string;

  constructor(imageHash: string, key: string) {
    super(`the image was not stored before the deadline; it is being archived as ${key}`);
    this.imageHash = imageHash;
    this.key = key;
  }
}

/** What went wrong in the engine; decides the status and whether a retry can help. */
export type EngineFailure =
  /** Cannot be reached, is starting or draining: retry. */
  | 'UNAVAILABLE'
  /** Refuses more work now: retry later. */
  | 'OVERLOADED'
  /** Out of GPU memory: a smaller picture may work. */
  | 'OUT_OF_MEMORY'
  /** Raised an exception. */
  | 'FAILED'
  /** Refused a parameter we sent. */
  | 'REJECTED'
  /** Answered with something that is not an image. */
  | 'BAD_RESPONSE'
  /** The image is truncated or damaged. */
  | 'IMAGE_CORRUPT'
  /** Its content filter withheld the image. */
  | 'CONTENT_FILTERED'
  /** Its own time limit passed. */
  | 'TIMEOUT';

/** The engine could not do the job. `message` is public; whatever the engine said goes into `cause`. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly failure: EngineFailure;
  /** When to try again, ms, where the engine has said it. */
  readonly retryAfterMs: number | undefined;

  constructor(
    failure: EngineFailure,
    message: string,
    options: ErrorOptions & { readonly retryAfterMs?: number | undefined } = {},
  ) {
    super(message, options);
    this.failure = failure;
    this.retryAfterMs = options.retryAfterMs;
  }
}
