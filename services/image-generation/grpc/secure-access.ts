import type { Logger } from '../../runtime/logger.ts';
import { watchFiles } from '../../runtime/watched-files.ts';
import { createAuthentication } from './authentication.ts';
import { parseBearerTokens } from './bearer-tokens.ts';
import type { CallCheck } from './call-gate.ts';
import type { CallNotebook } from './call-notes.ts';
import { parseTlsCredentials, type TlsCredentials, type TlsFiles, tlsPaths } from './tls-credentials.ts';

export interface SecureAccessConfig {
  /** Undefined: plaintext (h2c). */
  readonly tls: TlsFiles | undefined;
  /** Undefined: no tokens are asked for. */
  readonly authTokensFile: string | undefined;
  /** How often the files are looked at, ms. */
  readonly reloadIntervalMs?: number | undefined;
}

/** Who may call, and over what; kept up to date with the files. */
export interface SecureAccess {
  readonly authentication: CallCheck;
  /** The credentials of now; undefined without TLS. */
  readonly credentials: TlsCredentials | undefined;
  readonly clientCertificates: boolean;
  /** `use` takes renewed credentials; it throws if it cannot. */
  readonly onRenewed: (use: (credentials: TlsCredentials) => void) => void;
  /** Stops watching the files. */
  close(): void;
}

/** How often the own certificate's dates are looked at, ms. */
const EXPIRY_CHECK_MS = 60_000;

/**
 * Reads certificates and tokens, and again whenever their files change. New files that cannot be used change
 * nothing, with a warning.
 * @throws {ConfigError} when the first ones cannot be used.
 */
export async function openSecureAccess(
  config: SecureAccessConfig,
  logger: Logger,
  notebook: CallNotebook,
): Promise<SecureAccess> {
  const certificates = await openCertificates(config, logger);
  try {
    const tokens = await openTokens(config, logger);
    const clientCertificates = config.tls?.clientCaFile !== undefined;
    const authentication = createAuthentication({
      tokens: tokens.current,
      certificateRequired: clientCertificates,
      logger,
      notebook,
    });
    if (config.tls === undefined && config.authTokensFile !== undefined) {
      logger.warn('bearer tokens are taken over plaintext: set TLS_CERT_FILE, unless a mesh encrypts');
    }
    return {
      authentication,
      get credentials() {
        return certificates.current();
      },
      clientCertificates,
      onRenewed: certificates.onRenewed,
      close() {
        certificates.close();
        tokens.close();
      },
    };
  } catch (error) {
    certificates.close();
    throw error;
  }
}

async function openCertificates({ tls: files, reloadIntervalMs }: SecureAccessConfig, logger: Logger) {
  let renew: (credentials: TlsCredentials) => void = () => {};
  const onRenewed = (use: typeof renew): void => void (renew = use);
  if (files === undefined) return { current: () => undefined, onRenewed, close: () => {} };
  const watched = await watchFiles({
    paths: tlsPaths(files),
    parse: (contents) => parseTlsCredentials(files, contents),
    onChange(credentials) {
      renew(credentials);
      current = credentials;
      logger.info({ validTo: credentials.validTo }, 'TLS certificate renewed');
      dates.check();
    },
    onFault: (error) =>
      logger.warn({ err: error }, 'TLS files changed and cannot be used; the old ones stay'),
    intervalMs: reloadIntervalMs,
  });
  let current = watched.initial;
  const dates = createDateCheck(() => current, logger);
  dates.check();
  return {
    current: () => current,
    onRenewed,
    close() {
      watched.close();
      dates.close();
    },
  };
}

/** Warns once of each certificate that callers refuse for its dates. */
function createDateCheck(current: () => TlsCredentials, logger: Logger) {
  let warnedOf: TlsCredentials | undefined;
  const check = (): void => {
    const credentials = current();
    const { validFrom, validTo } = credentials;
    const now = Date.now();
    if (warnedOf === credentials || (validFrom.getTime() <= now && now <= validTo.getTime())) return;
    warnedOf = credentials;
    const text = now > validTo.getTime() ? 'has expired' : 'is not valid yet';
    logger.warn({ validFrom, validTo }, `TLS certificate of the service ${text}: callers refuse it`);
  };
  const timer = setInterval(check, EXPIRY_CHECK_MS).unref();
  return { check, close: () => clearInterval(timer) };
}

async function openTokens({ authTokensFile: path, reloadIntervalMs }: SecureAccessConfig, logger: Logger) {
  if (path === undefined) return { current: () => undefined, close: () => {} };
  const watched = await watchFiles({
    paths: [path],
    parse: ([content]) => parseBearerTokens(path, content),
    onChange(tokens) {
      current = tokens;
      logger.info({ tokens: tokens.count }, 'bearer tokens renewed');
    },
    onFault: (error) =>
      logger.warn({ err: error }, 'token file changed and cannot be used; the old tokens stay'),
    intervalMs: reloadIntervalMs,
  });
  let current = watched.initial;
  return { current: () => current, close: watched.close };
}
