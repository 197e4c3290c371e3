import {
  CLOSED_CODES,
  isTlsCode,
  LOST_CODES,
  STALLED_CODES,
  systemCode,
} from '../../services/runtime/network-errors.ts';
import type { S3ErrorFacts } from './s3-answer.ts';

/**
 * What to do about an unsuccessful attempt. Every request here is safe to repeat: keys are content hashes.
 * - `throttle`: again after a longer pause
 * - `transient`: again after a pause
 * - `retry-once`: again, but only once
 * - `refresh-credentials`: once more with fresh credentials
 * - `clock`: once more, dated by the store's clock
 * - `redirect`: the bucket is elsewhere; nothing helps but the configuration
 * - `fatal`: nothing helps
 */
export type FaultClass =
  | 'throttle'
  | 'transient'
  | 'retry-once'
  | 'refresh-credentials'
  | 'clock'
  | 'redirect'
  | 'fatal';

const THROTTLE_CODES = new Set([
  'SlowDown',
  'ServiceUnavailable',
  'RequestLimitExceeded',
  'BandwidthLimitExceeded',
  'TooManyRequests',
  'TooManyRequestsException',
  'RequestThrottled',
  'PriorRequestNotComplete',
]);
// 509: botocore's bandwidth limit.
const THROTTLE_STATUSES = new Set([429, 509]);
const TRANSIENT_CODES = new Set([
  'InternalError',
  'RequestTimeout',
  'RequestTimeoutException',
  'IncompleteBody',
  'OperationAborted',
  'ConditionalRequestConflict',
]);
// 499 and 520 to 524 come from proxies before the store (nginx, Cloudflare).
const TRANSIENT_STATUSES = new Set([408, 425, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524]);
const REFRESH_CODES = new Set(['ExpiredToken', 'InvalidToken', 'TokenRefreshRequired', 'InvalidAccessKeyId']);
const RETRY_ONCE_CODES = new Set(['BadDigest', 'InvalidDigest', 'XAmzContentSHA256Mismatch']);
const CLOCK_CODES = new Set(['RequestTimeTooSkewed', 'RequestExpired']);
const REDIRECT_CODES = new Set([
  'PermanentRedirect',
  'TemporaryRedirect',
  'Redirect',
  'IllegalLocationConstraintException',
]);

/** Classifies an answer by its code where it has one, by its status otherwise. `region` is the one we sign for. */
export function classifyAnswer(facts: S3ErrorFacts, region: string): FaultClass {
  const { status, code = '' } = facts;
  if (CLOCK_CODES.has(code) || facts.policyExpired) return 'clock';
  if (REFRESH_CODES.has(code)) return 'refresh-credentials';
  if (RETRY_ONCE_CODES.has(code)) return 'retry-once';
  if (THROTTLE_CODES.has(code) || code.startsWith('Throttling') || THROTTLE_STATUSES.has(status))
    return 'throttle';
  // S3 throttles HEAD by a 503 without a body.
  if (status === 503 && code === '') return 'throttle';
  if (TRANSIENT_CODES.has(code) || TRANSIENT_STATUSES.has(status)) return 'transient';
  if (REDIRECT_CODES.has(code) || (status >= 300 && status < 400)) return 'redirect';
  // Other codes name the bucket's region too (AccessDenied does), so the status must fit a wrong region.
  if (status === 400 && facts.region !== undefined && facts.region !== region) return 'redirect';
  return 'fatal';
}

const TRANSIENT_NETWORK_CODES: ReadonlySet<string> = new Set([
  ...LOST_CODES,
  ...STALLED_CODES,
  'EADDRNOTAVAIL',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

/** An error of the way to the store, and the system's code for it. Only those of the network itself are transient. */
export interface NetworkFailure {
  readonly faultClass: 'transient' | 'fatal';
  /** `closed`: we have closed our own connections. */
  readonly where: 'network' | 'tls' | 'closed';
  readonly code: string;
}

/** The way to the store failed in a way that may pass; `code` says how. */
export const transientFailure = (code: string): NetworkFailure => ({
  faultClass: 'transient',
  where: 'network',
  code,
});

/** Classifies what undici threw; undefined when it is no network error but a fault of this program. */
export function classifyNetworkError(error: unknown): NetworkFailure | undefined {
  const code = systemCode(error);
  if (code === undefined) return undefined;
  // HPE_*: what came back was not HTTP.
  if (TRANSIENT_NETWORK_CODES.has(code) || code.startsWith('HPE_')) return transientFailure(code);
  if (CLOSED_CODES.has(code)) return { faultClass: 'fatal', where: 'closed', code };
  // No retry mends a certificate.
  return isTlsCode(code) ? { faultClass: 'fatal', where: 'tls', code } : undefined;
}

/** What may stand as the cause of an error: llhttp's errors carry the bytes they stumbled over, which may be secret. */
export const safeCause = (error: unknown): ErrorOptions =>
  error instanceof Error && 'data' in error ? {} : { cause: error };
