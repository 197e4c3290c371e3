/**
 * AWS Signature Version 4 for S3, pure. Specification: "Authenticating Requests (AWS Signature Version 4)" in the
 * Amazon S3 API reference; the examples printed there are the test vectors.
 */
import { createHash, createHmac } from 'node:crypto';

/** An access key. Never log one, never put one into an error. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Present with temporary credentials only. */
  readonly sessionToken?: string;
  /** When temporary credentials end; absent when they do not, or nobody said so. */
  readonly expiresAt?: Date;
}

export const SIGNING_ALGORITHM = 'AWS4-HMAC-SHA256';
/** SHA-256 of nothing: the payload hash of GET and HEAD. */
export const EMPTY_PAYLOAD_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
/** Longest life of a presigned URL, seconds: the signing key is valid for seven days. */
export const MAX_PRESIGNED_SECONDS = 7 * 24 * 3600;

/** `yyyymmddThhmmssZ`, UTC; milliseconds are cut off. */
export function amzDate(date: Date): string {
  return `${date.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
}

/** `yyyymmdd/region/s3/aws4_request`. */
export function credentialScope(date: Date, region: string): string {
  return `${amzDate(date).slice(0, 8)}/${region}/s3/aws4_request`;
}

/**
 * The key that signs for one UTC day and region. Derived anew each time: the four HMACs take microseconds, and a
 * cache would keep secrets of rotated credentials in memory.
 */
export function signingKey(secretAccessKey: string, date: Date, region: string): Buffer {
  return ['s3', 'aws4_request'].reduce<Buffer>(
    hmac,
    hmac(hmac(`AWS4${secretAccessKey}`, amzDate(date).slice(0, 8)), region),
  );
}

/** Lower-case hex HMAC-SHA256 of `text` under the day's key. */
export function signText(text: string, secretAccessKey: string, date: Date, region: string): string {
  return hmac(signingKey(secretAccessKey, date, region), text).toString('hex');
}

/** A request without a body, or whose body's hash is known. */
export interface RequestToSign {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE' | 'POST';
  readonly url: URL;
  /** Further headers that the signature shall cover; lower-case names. `host` is added from the URL. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Lower-case hex SHA-256 of the body. Default: no body. */
  readonly payloadSha256?: string;
}

/** Signs by header. Returns all headers to send except `host`, which the client sets from the URL. */
export function signRequest(
  request: RequestToSign,
  credentials: Credentials,
  region: string,
  date: Date,
): Record<string, string> {
  const payloadSha256 = request.payloadSha256 ?? EMPTY_PAYLOAD_SHA256;
  const headers: Record<string, string> = {
    ...request.headers,
    'x-amz-content-sha256': payloadSha256,
    'x-amz-date': amzDate(date),
    ...(credentials.sessionToken === undefined ? {} : { 'x-amz-security-token': credentials.sessionToken }),
  };
  const canonical = canonicalRequest(request.method, request.url, headers, payloadSha256);
  const signature = signCanonical(canonical.text, credentials, region, date);
  const credential = `${credentials.accessKeyId}/${credentialScope(date, region)}`;
  return {
    ...headers,
    authorization: `${SIGNING_ALGORITHM} Credential=${credential},SignedHeaders=${canonical.signedHeaders},Signature=${signature}`,
  };
}

export interface PresignedUrl {
  /** A secret for as long as it is valid: whoever has it can read the object. */
  readonly url: URL;
  readonly expiresAt: Date;
}

/**
 * Signs a GET by query, for a link that needs no credentials. It ends after `lifetimeSeconds` (at most
 * {@link MAX_PRESIGNED_SECONDS}) or with the credentials, whichever comes first.
 * @throws {RangeError} for a lifetime outside 1 s to 7 days.
 */
export function presignGetUrl(
  url: URL,
  credentials: Credentials,
  region: string,
  date: Date,
  lifetimeSeconds: number,
): PresignedUrl {
  if (!(lifetimeSeconds >= 1 && lifetimeSeconds <= MAX_PRESIGNED_SECONDS)) {
    throw new RangeError(`a presigned URL lives from 1 s to ${MAX_PRESIGNED_SECONDS} s`);
  }
  const seconds = Math.floor(lifetimeSeconds);
  const signed = new URL(url);
  const query: [string, string][] = [
    ...url.searchParams,
    ['X-Amz-Algorithm', SIGNING_ALGORITHM],
    ['X-Amz-Credential', `${credentials.accessKeyId}/${credentialScope(date, region)}`],
    ['X-Amz-Date', amzDate(date)],
    ['X-Amz-Expires', String(seconds)],
    ['X-Amz-SignedHeaders', 'host'],
  ];
  if (credentials.sessionToken !== undefined) query.push(['X-Amz-Security-Token', credentials.sessionToken]);
  signed.search = canonicalQuery(query);
  const canonical = canonicalRequest('GET', signed, {}, 'UNSIGNED-PAYLOAD');
  const signature = signCanonical(canonical.text, credentials, region, date);
  signed.search = `${canonicalQuery(query)}&X-Amz-Signature=${signature}`;
  const end = date.getTime() + seconds * 1000;
  return { url: signed, expiresAt: new Date(Math.min(end, credentials.expiresAt?.getTime() ?? end)) };
}

/** Percent-encoding as SigV4 wants it: everything but RFC 3986's unreserved characters. */
export function uriEncode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Path of an object: each segment encoded, slashes kept. S3 encodes once, unlike the other AWS services. */
export const encodePath = (path: string): string => path.split('/').map(uriEncode).join('/');

function canonicalRequest(
  method: string,
  url: URL,
  headers: Readonly<Record<string, string>>,
  payloadHash: string,
): { text: string; signedHeaders: string } {
  const all = Object.entries({ ...headers, host: url.host })
    .map(([name, value]) => [name.toLowerCase(), value.trim().replaceAll(/ +/g, ' ')] as const)
    .toSorted(([a], [b]) => byCodeUnit(a, b));
  const signedHeaders = all.map(([name]) => name).join(';');
  const text = [
    method,
    encodePath(decodeURIComponent(url.pathname)),
    canonicalQuery([...url.searchParams]),
    ...all.map(([name, value]) => `${name}:${value}`),
    '',
    signedHeaders,
    payloadHash,
  ].join('\n');
  return { text, signedHeaders };
}

function canonicalQuery(parameters: readonly (readonly [string, string])[]): string {
  return parameters
    .map(([name, value]) => `${uriEncode(name)}=${uriEncode(value)}`)
    .toSorted(byCodeUnit)
    .join('&');
}

function signCanonical(canonicalText: string, credentials: Credentials, region: string, date: Date): string {
  const hash = createHash('sha256').update(canonicalText).digest('hex');
  const text = [SIGNING_ALGORITHM, amzDate(date), credentialScope(date, region), hash].join('\n');
  return signText(text, credentials.secretAccessKey, date, region);
}

const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
