/** Reads google.rpc.Status details, https://google.aip.dev/193. */
import { BadRequest, ErrorInfo, ResourceInfo, RetryInfo } from '../../proto/gen/google/rpc/error_details.ts';
import { Status } from '../../proto/gen/google/rpc/status.ts';

/** Trailer that carries the serialised google.rpc.Status. */
export const STATUS_DETAILS_KEY = 'grpc-status-details-bin';

/** One thing wrong with one field of the request. */
export interface FieldViolation {
  /** Path of the field, such as `loras[1].strength`. */
  readonly field: string;
  /** Stable UPPER_SNAKE_CASE word; may be empty. */
  readonly reason: string;
  readonly description: string;
}

/** The details that this client knows; others are left out. */
export interface CallErrorDetails {
  readonly reason?: string;
  readonly violations: readonly FieldViolation[];
  readonly retryAfterMs?: number;
  readonly resource?: { readonly type: string; readonly name: string } | undefined;
}

/** Decodes the trailer's value. Details that cannot be decoded are no details: the status itself still stands. */
export function readStatusDetails(trailer: Uint8Array | undefined): CallErrorDetails {
  if (trailer === undefined) return { violations: [] };
  try {
    return Status.decode(trailer).details.reduce(addDetail, { violations: [] });
  } catch {
    return { violations: [] };
  }
}

function addDetail(
  details: CallErrorDetails,
  { typeUrl, value }: Status['details'][number],
): CallErrorDetails {
  switch (typeUrl.slice(typeUrl.lastIndexOf('/') + 1)) {
    case 'google.rpc.ErrorInfo':
      return { ...details, reason: ErrorInfo.decode(value).reason };
    case 'google.rpc.BadRequest': {
      const found = BadRequest.decode(value).fieldViolations.map(({ field, reason, description }) => ({
        field,
        reason,
        description,
      }));
      return { ...details, violations: [...details.violations, ...found] };
    }
    case 'google.rpc.RetryInfo': {
      const delay = RetryInfo.decode(value).retryDelay;
      return delay === undefined
        ? details
        : { ...details, retryAfterMs: Number(delay.seconds) * 1000 + delay.nanos / 1e6 };
    }
    case 'google.rpc.ResourceInfo': {
      const { resourceType, resourceName } = ResourceInfo.decode(value);
      return { ...details, resource: { type: resourceType, name: resourceName } };
    }
    default:
      return details;
  }
}
