import { DownloadError } from './download-image.ts';
import { ConnectionSecurityError, GenerateImageError, StreamProtocolError } from './errors.ts';

/** A refused handshake looks like a lost connection from here. */
const TLS_HINT =
  'Do both sides speak TLS (--tls, --tls-ca), or neither? Does it ask for a certificate (--tls-cert)?';

/** Lines for a person about a failed call; no stack for what a person can do something about. */
export function formatFailure(error: unknown, target: string): string {
  if (error instanceof GenerateImageError) {
    const { codeName, violations, retryAfterMs } = error;
    // grpc-js leaves an empty note behind its connection errors.
    const message = error.message.replace(/\.?\s*Resolution note:\s*$/, '');
    const pause = retryAfterMs === undefined ? [] : [`try again in ${Math.ceil(retryAfterMs / 1000)} s`];
    // The service's own unavailability carries a reason; without one, the call never got there.
    const unreached = codeName === 'UNAVAILABLE' && error.reason === undefined;
    return lines([
      `${codeName}: ${message}`,
      ...violations.map(({ field, description, reason }) => `  ${field}: ${description} (${reason})`),
      ...pause,
      ...(unreached ? [`Is the service running at ${target}? npm run demo starts one.`] : []),
      ...(unreached && !/ECONNREFUSED|ENOTFOUND/.test(message) ? [TLS_HINT] : []),
      ...(codeName === 'UNAUTHENTICATED' ? ['A token is taken from --token-file or SEKAI_TOKEN.'] : []),
    ]);
  }
  if (error instanceof StreamProtocolError || error instanceof DownloadError) return lines([error.message]);
  if (error instanceof ConnectionSecurityError) return lines([error.message]);
  // Of node:fs, such as a full disk.
  if (error instanceof Error && 'syscall' in error) return lines([error.message]);
  return lines([error instanceof Error ? (error.stack ?? error.message) : String(error)]);
}

/** The object that `--json` prints for a failed call. */
export function failureFacts(error: unknown): { error: Record<string, unknown> } {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof GenerateImageError)) {
    return { error: { code: error instanceof StreamProtocolError ? 'STREAM_PROTOCOL' : 'LOCAL', message } };
  }
  const { codeName, reason, violations, retryAfterMs } = error;
  return {
    error: {
      code: codeName,
      ...(reason === undefined ? {} : { reason }),
      message,
      violations,
      ...(retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs }),
    },
  };
}

const lines = (parts: readonly string[]): string => parts.map((part) => `${part}\n`).join('');
