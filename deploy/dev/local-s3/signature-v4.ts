/**
 * Signature Version 4, the verifying side. Written apart from the presigner in sidecar/s3 on purpose: a
 * mistake there must not be repeated here.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

export interface CredentialScope {
  readonly accessKeyId: string;
  /** yyyymmdd */
  readonly day: string;
  readonly region: string;
  readonly service: string;
  readonly terminal: string;
}

/** Reads `AKID/yyyymmdd/region/service/aws4_request`; undefined when it has another shape. */
export function parseScope(text: string): CredentialScope | undefined {
  const [accessKeyId, day, region, service, terminal, ...rest] = text.split('/');
  if (accessKeyId === undefined || day === undefined || region === undefined) return undefined;
  if (service === undefined || terminal === undefined || rest.length > 0) return undefined;
  return { accessKeyId, day, region, service, terminal };
}

/** `hex(HMAC(signing key, text))`. */
export function signText(
  text: string,
  secret: string,
  scope: Pick<CredentialScope, 'day' | 'region'>,
): string {
  const dayKey = hmac(`AWS4${secret}`, scope.day);
  const regionKey = hmac(dayKey, scope.region);
  const serviceKey = hmac(regionKey, 's3');
  return hmac(hmac(serviceKey, 'aws4_request'), text).toString('hex');
}

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text, 'utf8').digest();

export interface SignedRequest {
  readonly method: string;
  /** The decoded path, with its leading slash. */
  readonly path: string;
  /** Decoded pairs, without X-Amz-Signature. */
  readonly query: readonly (readonly [string, string])[];
  /** Lower-case names, in the order they were signed. */
  readonly signedHeaders: readonly string[];
  readonly headers: Readonly<Record<string, readonly string[] | undefined>>;
  /** Hex SHA-256 of the payload, or one of S3's words instead. */
  readonly payloadHash: string;
}

export function canonicalRequest(request: SignedRequest): string {
  const query = request.query
    .map(([name, value]) => [encodeUri(name), encodeUri(value)] as const)
    .toSorted(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
  const headers = request.signedHeaders
    .map((name) => `${name}:${(request.headers[name] ?? []).map(trimHeader).join(',')}\n`)
    .join('');
  const path = request.path.split('/').map(encodeUri).join('/');
  return [request.method, path, query, headers, request.signedHeaders.join(';'), request.payloadHash].join(
    '\n',
  );
}

export function stringToSign(canonical: string, amzDate: string, scope: CredentialScope): string {
  const hash = createHash('sha256').update(canonical, 'utf8').digest('hex');
  return `AWS4-HMAC-SHA256\n${amzDate}\n${scope.day}/${scope.region}/${scope.service}/${scope.terminal}\n${hash}`;
}

/** Reads `yyyymmddThhmmssZ`; undefined when it has another shape. */
export function parseAmzDate(text: string | undefined): Date | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text ?? '');
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second] = match;
  const date = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** Compares two signatures in constant time. */
export function sameSignature(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** The text as spaced hex bytes, as S3 shows it in SignatureDoesNotMatch. */
export const hexBytes = (text: string) =>
  Buffer.from(text, 'utf8')
    .toString('hex')
    .replace(/..(?=.)/g, '$& ');

/** Percent-encodes all but RFC 3986's unreserved characters. */
export function encodeUri(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

const trimHeader = (value: string) => value.trim().replace(/ +/g, ' ');

const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b));
