/** The codes of what fails between this process and an HTTP server: Node's, the resolver's, undici's. */

/** The other side cannot be reached, or its connection broke. */
export const LOST_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_SOCKET',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
]);

/** It is there and says nothing, or no more. */
export const STALLED_CODES: ReadonlySet<string> = new Set([
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
]);

/** We have closed our own connections. */
export const CLOSED_CODES: ReadonlySet<string> = new Set(['UND_ERR_CLOSED', 'UND_ERR_DESTROYED']);

/** Certificates and handshakes. Names from OpenSSL's X509 errors and node:tls. */
const TLS_CODE =
  /^(?:ERR_TLS_|ERR_SSL_|EPROTO$|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH$|INVALID_CA$|INVALID_PURPOSE$)/;

/** The two sides could not agree on a TLS connection. */
export const isTlsCode = (code: string): boolean => TLS_CODE.test(code);

/** The code of an error or of what caused it; `HPE_*` for an answer that is not HTTP. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code === 'string') return code;
  // undici leaves the code of some parser errors out.
  if (error.name === 'HTTPParserError') return 'HPE_INVALID';
  // With several addresses for a name, Node reports one AggregateError.
  const inner = error instanceof AggregateError ? (error.errors[0] as unknown) : error.cause;
  return inner === undefined ? undefined : systemCode(inner);
}
