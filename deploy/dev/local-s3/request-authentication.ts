import type { IncomingMessage } from 'node:http';
import type { CredentialRing } from './credential-ring.ts';
import { queryValue, type RequestTarget } from './request-target.ts';
import { accessDenied, invalidArgument, S3Error, signatureMismatch } from './s3-error.ts';
import {
  canonicalRequest,
  type CredentialScope,
  hexBytes,
  parseAmzDate,
  parseScope,
  sameSignature,
  signText,
  stringToSign,
} from './signature-v4.ts';

const MAX_SKEW_MS = 15 * 60_000;
const MAX_PRESIGNED_SECONDS = 7 * 24 * 3600;

export interface Principal {
  readonly anonymous: boolean;
  /** What the signature says about the payload: hex SHA-256 or `UNSIGNED-PAYLOAD`. */
  readonly payloadHash: string;
}

export interface RequestAuthority {
  readonly region: string;
  readonly credentials: CredentialRing;
  readonly now: Date;
}

type Headers = Readonly<Record<string, readonly string[] | undefined>>;

interface Claim {
  readonly scope: CredentialScope;
  readonly amzDate: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly payloadHash: string;
  readonly token: string | undefined;
}

/**
 * Checks a request signed in its Authorization header or in its query; without either it is anonymous.
 * @throws {S3Error}
 */
export function authenticateRequest(
  request: IncomingMessage,
  target: RequestTarget,
  authority: RequestAuthority,
): Principal {
  const headers = request.headersDistinct;
  const authorization = headers['authorization']?.[0];
  const presigned = queryValue(target.query, 'X-Amz-Signature') !== undefined;
  if (authorization === undefined && !presigned) return { anonymous: true, payloadHash: 'UNSIGNED-PAYLOAD' };
  if (authorization !== undefined && presigned) {
    const message =
      'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified';
    throw invalidArgument(message, 'Authorization', '');
  }
  const claim =
    authorization === undefined
      ? queryClaim(target.query, authority)
      : headerClaim(authorization, headers, authority);
  checkSignedHeaders(claim.signedHeaders, headers);
  const credential = authority.credentials.find(claim.scope.accessKeyId, claim.token, authority.now);
  const canonical = canonicalRequest({
    method: request.method ?? '',
    path: target.path,
    query: target.query.filter(([name]) => name !== 'X-Amz-Signature'),
    signedHeaders: claim.signedHeaders,
    headers,
    payloadHash: claim.payloadHash,
  });
  const text = stringToSign(canonical, claim.amzDate, claim.scope);
  if (!sameSignature(signText(text, credential.secretAccessKey, claim.scope), claim.signature)) {
    throw signatureMismatch({
      AWSAccessKeyId: claim.scope.accessKeyId,
      StringToSign: text,
      SignatureProvided: claim.signature,
      StringToSignBytes: hexBytes(text),
      CanonicalRequest: canonical,
      CanonicalRequestBytes: hexBytes(canonical),
    });
  }
  return { anonymous: false, payloadHash: claim.payloadHash };
}

function headerClaim(authorization: string, headers: Headers, { region, now }: RequestAuthority): Claim {
  const match =
    /^AWS4-HMAC-SHA256\s+Credential=([^,\s]+)\s*,\s*SignedHeaders=([^,\s]+)\s*,\s*Signature=([^,\s]+)$/.exec(
      authorization,
    );
  if (match === null) {
    if (!authorization.startsWith('AWS4-')) {
      throw invalidArgument('Unsupported Authorization Type', 'Authorization', '');
    }
    throw malformedAuthorization(
      'the authorization header requires three components: Credential, SignedHeaders, and Signature.',
    );
  }
  const [, credential = '', signedHeaders = '', signature = ''] = match;
  const scope = checkedScope(credential, region, malformedAuthorization);
  const amzDate = headers['x-amz-date']?.[0];
  const date = parseAmzDate(amzDate);
  if (amzDate === undefined || date === undefined) {
    throw accessDenied('AWS authentication requires a valid Date or x-amz-date header');
  }
  if (!amzDate.startsWith(scope.day)) {
    throw malformedAuthorization(
      `Invalid credential date "${scope.day}". This date is not the same as X-Amz-Date: "${amzDate}".`,
    );
  }
  if (Math.abs(now.getTime() - date.getTime()) > MAX_SKEW_MS) throw tooSkewed(amzDate, now);
  const payloadHash = headers['x-amz-content-sha256']?.[0];
  if (payloadHash === undefined) {
    throw new S3Error(
      400,
      'InvalidRequest',
      'Missing required header for this request: x-amz-content-sha256',
    );
  }
  const token = headers['x-amz-security-token']?.[0];
  return { scope, amzDate, signedHeaders: signedHeaders.split(';'), signature, payloadHash, token };
}

function queryClaim(query: RequestTarget['query'], { region, now }: RequestAuthority): Claim {
  const value = (name: string) => queryValue(query, name);
  const [algorithm, credential, amzDate, expires, signedHeaders, signature] = [
    'X-Amz-Algorithm',
    'X-Amz-Credential',
    'X-Amz-Date',
    'X-Amz-Expires',
    'X-Amz-SignedHeaders',
    'X-Amz-Signature',
  ].map(value);
  const date = parseAmzDate(amzDate);
  const complete = credential !== undefined && expires !== undefined && signedHeaders !== undefined;
  if (!complete || amzDate === undefined || signature === undefined || date === undefined) {
    throw malformedQuery(
      'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
    );
  }
  if (algorithm !== 'AWS4-HMAC-SHA256') {
    throw malformedQuery('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"');
  }
  const scope = checkedScope(credential, region, (reason, details) =>
    malformedQuery(`Error parsing the X-Amz-Credential parameter; ${reason}`, details),
  );
  if (!amzDate.startsWith(scope.day)) {
    throw malformedQuery(
      `Invalid credential date "${scope.day}". This date is not the same as X-Amz-Date: "${amzDate}".`,
    );
  }
  checkExpiry(expires, date, now);
  return {
    scope,
    amzDate,
    signedHeaders: signedHeaders.split(';'),
    signature,
    payloadHash: value('X-Amz-Content-Sha256') ?? 'UNSIGNED-PAYLOAD',
    token: value('X-Amz-Security-Token'),
  };
}

function checkExpiry(expires: string, signedAt: Date, now: Date): void {
  const seconds = /^\d+$/.test(expires) ? Number(expires) : -1;
  if (seconds < 0) throw malformedQuery('X-Amz-Expires should be a number');
  if (seconds > MAX_PRESIGNED_SECONDS) {
    throw malformedQuery(
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
    );
  }
  const end = new Date(signedAt.getTime() + seconds * 1000);
  if (signedAt.getTime() - now.getTime() > MAX_SKEW_MS) throw accessDenied('Request is not yet valid');
  if (now > end) {
    throw accessDenied('Request has expired', {
      'X-Amz-Expires': expires,
      Expires: end.toISOString(),
      ServerTime: now.toISOString(),
    });
  }
}

function checkedScope(
  credential: string,
  region: string,
  refuse: (reason: string, details?: Record<string, string>) => S3Error,
): CredentialScope {
  const scope = parseScope(credential);
  if (scope === undefined || scope.accessKeyId === '' || !/^\d{8}$/.test(scope.day)) {
    throw refuse(
      'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    );
  }
  if (scope.service !== 's3')
    throw refuse(`incorrect service "${scope.service}". This endpoint belongs to "s3".`);
  if (scope.terminal !== 'aws4_request') {
    throw refuse(`incorrect terminal "${scope.terminal}". This endpoint uses "aws4_request".`);
  }
  if (scope.region !== region) {
    throw refuse(`the region '${scope.region}' is wrong; expecting '${region}'`, { Region: region });
  }
  return scope;
}

/** Host and every x-amz-* header must be signed, or a middleman could add them. */
function checkSignedHeaders(signed: readonly string[], headers: Headers): void {
  const needed = Object.keys(headers).filter((name) => name === 'host' || name.startsWith('x-amz-'));
  const unsigned = needed.filter((name) => !signed.includes(name));
  if (unsigned.length > 0) {
    throw accessDenied('There were headers present in the request which were not signed', {
      HeadersNotSigned: unsigned.join(', '),
    });
  }
}

function tooSkewed(requestTime: string, now: Date): S3Error {
  const message = 'The difference between the request time and the current time is too large.';
  return new S3Error(403, 'RequestTimeTooSkewed', message, {
    RequestTime: requestTime,
    ServerTime: now.toISOString(),
    MaxAllowedSkewMilliseconds: String(MAX_SKEW_MS),
  });
}

const malformedAuthorization = (reason: string, details: Record<string, string> = {}) =>
  new S3Error(
    400,
    'AuthorizationHeaderMalformed',
    `The authorization header is malformed; ${reason}`,
    details,
  );

const malformedQuery = (message: string, details: Record<string, string> = {}) =>
  new S3Error(400, 'AuthorizationQueryParametersError', message, details);
