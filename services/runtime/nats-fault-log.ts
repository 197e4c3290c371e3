/** What NATS refuses and waiting does not heal, as log lines with the cure: few of them, however often it happens. */
import type { Logger } from './logger.ts';

/** The part of a status event of the `nats` package that tells of an error. */
export interface NatsFault {
  /** The library's code. */
  readonly data: unknown;
  readonly permissionContext?: { readonly operation: string; readonly subject: string };
}

export interface NatsFaultLog {
  /** A server refused something on a connection, or the connection itself. */
  heard(fault: NatsFault): void;
  /** The login was accepted. */
  connected(): void;
}

/** Longest silence on a permission that is still missing, ms. */
const REPEAT_MS = 60_000;
/** Permissions kept in mind. Further ones are not logged until these are given. */
const MAX_PERMISSIONS = 50;

/** @param nowMs Milliseconds of any clock that only goes forward. */
export function createNatsFaultLog(
  logger: Logger,
  nowMs: () => number = () => performance.now(),
): NatsFaultLog {
  const saidAtMs = new Map<string, number>();
  let loginSaid = false;
  const permissionMissing = (operation: string, subject: string): void => {
    const what = `${operation} ${subject}`;
    const last = saidAtMs.get(what);
    if (last === undefined ? saidAtMs.size >= MAX_PERMISSIONS : nowMs() - last < REPEAT_MS) return;
    saidAtMs.set(what, nowMs());
    logger.error(
      { operation, subject, cure: CURES['PERMISSIONS_VIOLATION'] },
      'NATS: the login lacks a permission',
    );
  };
  return {
    heard({ data, permissionContext }) {
      const code = String(data);
      if (code === 'PERMISSIONS_VIOLATION' && permissionContext !== undefined) {
        return permissionMissing(permissionContext.operation, withoutIds(permissionContext.subject));
      }
      const cure = CURES[code];
      if (cure === undefined || loginSaid) return;
      loginSaid = true;
      logger.error({ code, cure }, 'NATS: the login is refused, trying again');
    },
    connected() {
      loginSaid = false;
    },
  };
}

/** What to do about an error of connecting to NATS; undefined when waiting is all one can do. */
export function natsCure(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  if (typeof code !== 'string') return undefined;
  return CURES[code] ?? (/CERT|SIGNATURE|SSL|TLS/.test(code) ? CURES['TLS'] : undefined);
}

const LOGIN =
  'check the login: NATS_URL, or NATS_USER with NATS_PASSWORD_FILE, NATS_TOKEN_FILE, NATS_CREDS_FILE, NATS_NKEY_SEED_FILE';

const CURES: Readonly<Record<string, string>> = {
  AUTHORIZATION_VIOLATION: `${LOGIN}. A server that verifies TLS clients also wants NATS_TLS_CERT_FILE`,
  AUTHENTICATION_EXPIRED: `renew the JWT in NATS_CREDS_FILE, or ${LOGIN}`,
  ACCOUNT_EXPIRED: 'renew the account of the JWT in NATS_CREDS_FILE',
  AUTHENTICATION_TIMEOUT: LOGIN,
  BAD_AUTHENTICATION: LOGIN,
  PERMISSIONS_VIOLATION:
    'give the user of this login the permission for this subject, in the server or its account',
  SERVER_OPT_NA:
    'the server offers no TLS: give it a certificate, or take the NATS_TLS_ variables and tls:// away',
  // With TLS 1.3 a server refuses a client's certificate after the handshake, and the library hears nothing of it.
  TIMEOUT:
    'if the server verifies its clients, look at NATS_TLS_CERT_FILE and NATS_TLS_KEY_FILE; else at the way to it',
  TLS: "check NATS_TLS_CA_FILE, NATS_TLS_CERT_FILE and NATS_TLS_KEY_FILE, the dates of the certificates, and that the host in NATS_URL is a name in the server's",
};

/** Hashes, ids and numbers would make each subject another permission. */
const withoutIds = (subject: string): string =>
  subject
    .split('.')
    .map((token) =>
      /^[0-9a-f]{64}$|^[0-9a-f-]{36}$|^\d+$|^[0-9A-Z]{22}$|^[0-9A-Za-z]{22,}$/.test(token) ? '*' : token,
    )
    .join('.');
