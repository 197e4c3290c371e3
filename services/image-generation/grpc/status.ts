/** The one place where errors become gRPC statuses. Unknown errors become a fixed INTERNAL; their text stays here. */
import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import {
  BadRequest,
  ErrorInfo,
  ResourceInfo,
  RetryInfo,
} from '../../../proto/gen/google/rpc/error_details.ts';
import { Status } from '../../../proto/gen/google/rpc/status.ts';
import {
  ArchiveDeadlineError,
  ArchiveUnavailableError,
  DeadlineError,
  EngineError,
  type EngineFailure,
  InvalidRequestError,
  MetadataTooLargeError,
  NotFoundError,
  OverloadedError,
  PreconditionError,
  RequestInProgressError,
  ShuttingDownError,
  UnauthenticatedError,
} from '../errors.ts';
import { CallCancelledError } from './call-signal.ts';

/** `ErrorInfo.domain` of every error of this service. */
export const ERROR_DOMAIN = 'image.sekai';

/** Violations told to the caller; more would not fit into the trailers (8 KiB in grpc-core by default). */
const MAX_VIOLATIONS = 16;
/** Longest status message in characters; it travels percent-encoded. */
const MAX_MESSAGE_LENGTH = 512;
/** What callers of an unavailable service wait before they try again, ms. */
const UNAVAILABLE_RETRY_MS = 1_000;

/** Of errors that nobody expected. */
const UNEXPECTED_REASON = 'INTERNAL';

interface Detail {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

interface WireError {
  readonly code: status;
  readonly reason: string;
  readonly message: string;
  readonly details?: readonly Detail[];
  readonly metadata?: Readonly<Record<string, string>>;
}

const ENGINE_FAILURES: Readonly<Record<EngineFailure, Omit<WireError, 'message'>>> = {
  UNAVAILABLE: {
    code: status.UNAVAILABLE,
    reason: 'BACKEND_UNAVAILABLE',
    details: [retryInfo(UNAVAILABLE_RETRY_MS)],
  },
  OVERLOADED: {
    code: status.RESOURCE_EXHAUSTED,
    reason: 'QUEUE_FULL',
    details: [retryInfo(UNAVAILABLE_RETRY_MS)],
  },
  OUT_OF_MEMORY: { code: status.RESOURCE_EXHAUSTED, reason: 'BACKEND_OUT_OF_MEMORY' },
  FAILED: { code: status.INTERNAL, reason: 'BACKEND_FAILED' },
  REJECTED: { code: status.INTERNAL, reason: 'BACKEND_REJECTED' },
  BAD_RESPONSE: { code: status.INTERNAL, reason: 'BACKEND_BAD_RESPONSE' },
  IMAGE_CORRUPT: { code: status.DATA_LOSS, reason: 'IMAGE_CORRUPT' },
  CONTENT_FILTERED: { code: status.FAILED_PRECONDITION, reason: 'CONTENT_FILTERED' },
  TIMEOUT: { code: status.DEADLINE_EXCEEDED, reason: 'BACKEND_TIMEOUT' },
};

/** Engine failures that are everyday life; the others have a cause that only the log may tell. */
const EXPECTED_ENGINE_FAILURES: ReadonlySet<EngineFailure> = new Set(['OVERLOADED', 'CONTENT_FILTERED']);

/** Whether the status says all there is to say; anything else is a bug or a surprise and belongs into the log. */
export function isExpectedError(error: unknown): boolean {
  if (error instanceof EngineError) return EXPECTED_ENGINE_FAILURES.has(error.failure);
  return describe(error) !== undefined;
}

/** The status, with google.rpc details in the `grpc-status-details-bin` trailer, that a caller gets for an error. */
export function toStatus(error: unknown): StatusObject {
  const wire = describe(error) ?? {
    code: status.INTERNAL,
    reason: UNEXPECTED_REASON,
    message: 'internal error; the request id finds the reason in the server log',
  };
  // Never half of a surrogate pair, which the percent-encoding of grpc-message would throw at.
  const message = wire.message.slice(0, MAX_MESSAGE_LENGTH).replace(/[\uD800-\uDBFF]$/, '');
  const info = any(
    'ErrorInfo',
    ErrorInfo.encode({ reason: wire.reason, domain: ERROR_DOMAIN, metadata: { ...wire.metadata } }).finish(),
  );
  const details = [info, ...(wire.details ?? [])];
  const metadata = new Metadata();
  const rich = Status.encode({ code: wire.code, message, details: [...details] }).finish();
  metadata.set('grpc-status-details-bin', Buffer.from(rich));
  return { code: wire.code, details: message, metadata };
}

/** `ErrorInfo.reason` of what a caller gets for an error. */
export const reasonOf = (error: unknown): string => describe(error)?.reason ?? UNEXPECTED_REASON;

function describe(error: unknown): WireError | undefined {
  if (error instanceof InvalidRequestError) return invalidRequest(error);
  if (error instanceof NotFoundError) return notFound(error);
  if (error instanceof EngineError) return engineFailure(error);
  if (error instanceof PreconditionError) {
    return { code: status.FAILED_PRECONDITION, reason: error.reason, message: error.message };
  }
  if (error instanceof UnauthenticatedError) {
    return { code: status.UNAUTHENTICATED, reason: error.reason, message: error.message };
  }
  if (error instanceof MetadataTooLargeError) {
    return { code: status.RESOURCE_EXHAUSTED, reason: 'METADATA_TOO_LARGE', message: error.message };
  }
  if (error instanceof RequestInProgressError) {
    return { code: status.ABORTED, reason: 'REQUEST_IN_PROGRESS', message: error.message };
  }
  if (error instanceof OverloadedError) {
    const details = [retryInfo(error.retryAfterMs)];
    return { code: status.RESOURCE_EXHAUSTED, reason: 'QUEUE_FULL', message: error.message, details };
  }
  if (error instanceof ShuttingDownError) {
    const details = [retryInfo(UNAVAILABLE_RETRY_MS)];
    return { code: status.UNAVAILABLE, reason: 'SHUTTING_DOWN', message: error.message, details };
  }
  if (error instanceof DeadlineError) {
    return { code: status.DEADLINE_EXCEEDED, reason: 'DEADLINE', message: error.message };
  }
  if (error instanceof ArchiveDeadlineError) {
    const { message, imageHash, key } = error;
    const metadata = { image_hash: imageHash, key };
    return { code: status.DEADLINE_EXCEEDED, reason: 'ARCHIVE_DEADLINE', message, metadata };
  }
  if (error instanceof ArchiveUnavailableError) {
    const details = [retryInfo(UNAVAILABLE_RETRY_MS)];
    return { code: status.UNAVAILABLE, reason: 'ARCHIVE_UNAVAILABLE', message: error.message, details };
  }
  if (error instanceof CallCancelledError) {
    return { code: status.CANCELLED, reason: 'CANCELLED', message: error.message };
  }
  return undefined;
}

/** An engine that has said when to come back is believed. */
function engineFailure({ failure, message, retryAfterMs }: EngineError): WireError {
  const wire = { ...ENGINE_FAILURES[failure], message };
  return wire.details === undefined || retryAfterMs === undefined
    ? wire
    : { ...wire, details: [retryInfo(retryAfterMs)] };
}

function invalidRequest(error: InvalidRequestError): WireError {
  const shown = error.violations.slice(0, MAX_VIOLATIONS);
  const badRequest = BadRequest.encode({
    fieldViolations: shown.map(({ field, reason, description }) => ({
      field,
      reason,
      description,
      localizedMessage: undefined,
    })),
  }).finish();
  return {
    code: status.INVALID_ARGUMENT,
    reason: error.violations[0].reason,
    message: error.message,
    details: [any('BadRequest', badRequest)],
    metadata: { violations: String(error.violations.length) },
  };
}

function notFound(error: NotFoundError): WireError {
  const resource = ResourceInfo.encode({
    resourceType: error.resourceType,
    resourceName: error.resourceName.slice(0, 256),
    owner: '',
    description: error.message.slice(0, MAX_MESSAGE_LENGTH),
  }).finish();
  return {
    code: status.NOT_FOUND,
    reason: error.reason,
    message: error.message,
    details: [any('ResourceInfo', resource)],
  };
}

function retryInfo(delayMs: number): Detail {
  const retryDelay = { seconds: BigInt(Math.floor(delayMs / 1000)), nanos: (delayMs % 1000) * 1_000_000 };
  return any('RetryInfo', RetryInfo.encode({ retryDelay }).finish());
}

function any(type: string, value: Uint8Array): Detail {
  return { typeUrl: `type.googleapis.com/google.rpc.${type}`, value };
}
