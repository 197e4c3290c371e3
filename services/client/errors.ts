/** The errors of the client. Neither holds a prompt or any other part of the request. */
import type { CallErrorDetails, FieldViolation } from './status-details.ts';

/** The server broke the contract of the stream: what was received must not be used. */
export class StreamProtocolError extends Error {
  override readonly name = 'StreamProtocolError';
}

/** The call was not made, because it could not be made safely. Holds neither token nor key. */
export class ConnectionSecurityError extends Error {
  override readonly name = 'ConnectionSecurityError';
}

/** The call ended with a status other than OK. */
export class GenerateImageError extends Error {
  override readonly name = 'GenerateImageError';
  /** Number of the gRPC status code. */
  readonly code: number;
  /** Name of the gRPC status code, such as `INVALID_ARGUMENT`. */
  readonly codeName: string;
  /** The server's stable UPPER_SNAKE_CASE word for the cause. */
  readonly reason: string | undefined;
  /** Every fault of the request; empty unless the request was wrong. */
  readonly violations: readonly FieldViolation[];
  /** How long the server asks to wait before the next attempt, ms. */
  readonly retryAfterMs: number | undefined;
  /** What was not found. */
  readonly resource: CallErrorDetails['resource'];

  /** `message` is the server's text. */
  constructor(
    status: { readonly code: number; readonly codeName: string; readonly message: string },
    details: CallErrorDetails,
    options?: ErrorOptions,
  ) {
    super(status.message, options);
    this.code = status.code;
    this.codeName = status.codeName;
    this.reason = details.reason;
    this.violations = details.violations;
    this.retryAfterMs = details.retryAfterMs;
    this.resource = details.resource;
  }
}
