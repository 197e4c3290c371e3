/** Reads what a failed call says about itself, strictly: a status that contradicts itself is an error here. */
import type { ServiceError } from '@grpc/grpc-js';
import { BadRequest, ErrorInfo, ResourceInfo, RetryInfo } from '../../proto/gen/google/rpc/error_details.ts';
import { Status } from '../../proto/gen/google/rpc/status.ts';

export interface RichStatus {
  readonly code: number;
  readonly message: string;
  readonly reason: string;
  readonly domain: string;
  /** `field REASON` of every violation, in the server's order. */
  readonly violations: readonly string[];
  /** Undefined without RetryInfo. */
  readonly retryAfterMs: number | undefined;
  /** `type name`, undefined without ResourceInfo. */
  readonly resource: string | undefined;
  /** Everything that reached the caller, as text, to look for what must not. */
  readonly everything: string;
}

export function richStatus(error: ServiceError | undefined): RichStatus {
  if (error === undefined) throw new Error('the call ended OK');
  const [trailer] = error.metadata.get('grpc-status-details-bin');
  if (!(trailer instanceof Uint8Array)) throw new Error(`no details: ${error.message}`);
  const status = Status.decode(trailer);
  if (status.code !== error.code) throw new Error(`code ${status.code} in ${error.code}`);
  if (status.message !== error.details) throw new Error(`"${status.message}" in "${error.details}"`);
  const details = new Map(status.details.map(({ typeUrl, value }) => [typeUrl, value]));
  const detail = <T>(type: string, { decode }: { decode: (bytes: Uint8Array) => T }): T | undefined => {
    const value = details.get(`type.googleapis.com/google.rpc.${type}`);
    return value === undefined ? undefined : decode(value);
  };
  const info = detail('ErrorInfo', ErrorInfo);
  const delay = detail('RetryInfo', RetryInfo)?.retryDelay;
  const resource = detail('ResourceInfo', ResourceInfo);
  const violations = detail('BadRequest', BadRequest)?.fieldViolations ?? [];
  return {
    code: error.code,
    message: error.details,
    reason: info?.reason ?? '',
    domain: info?.domain ?? '',
    violations: violations.map(({ field, reason }) => `${field} ${reason}`),
    retryAfterMs: delay === undefined ? undefined : Number(delay.seconds) * 1000 + delay.nanos / 1e6,
    resource: resource === undefined ? undefined : `${resource.resourceType} ${resource.resourceName}`,
    everything: `${JSON.stringify(error)} ${error.message} ${Buffer.from(trailer).toString('latin1')}`,
  };
}
