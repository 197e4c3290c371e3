/** How every process of ours connects to NATS. */
import { type Authenticator, credsAuthenticator, nkeyAuthenticator } from 'nats';
import { freshFile } from './fresh-file.ts';
import { isCredentials, isUserSeed, type NatsAccess, type NatsLogin, secretLine } from './nats-access.ts';

/** Options for `connect` of the `nats` package. Hold the login: never to be logged. */
export interface NatsConnectionOptions {
  readonly servers: string[];
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  /** Asked at each connect. */
  readonly authenticator?: Authenticator;
  /** The library reads the files named in it at each connect. */
  readonly tls?: { caFile?: string; certFile?: string; keyFile?: string };
  readonly name: string;
  readonly maxReconnectAttempts: number;
  readonly ignoreAuthErrorAbort: boolean;
  readonly reconnectTimeWait: number;
  readonly reconnectJitter: number;
  readonly reconnectJitterTLS: number;
  readonly pingInterval: number;
  readonly maxPingOut: number;
  readonly timeout: number;
  readonly noAsyncTraces: boolean;
}

/**
 * Options to connect by `access`. The library reads no credentials from URLs and must never see them in a log line:
 * user and password, or a token alone, are taken from the first URL that has them.
 * @param name What the server calls the connection.
 */
export function natsConnectionOptions({ urls, login, tls }: NatsAccess, name: string): NatsConnectionOptions {
  const parsed = urls.map((text) => new URL(text));
  const withTls = tls !== undefined || parsed.some((url) => url.protocol === 'tls:');
  return {
    servers: parsed.map((url) => `${url.hostname}:${url.port || '4222'}`),
    ...(login.kind === 'urls' ? urlLogin(parsed) : { authenticator: authenticator(login) }),
    ...(withTls ? { tls: { ...tls } } : {}),
    name,
    // The default gives up after ten attempts and closes for good.
    maxReconnectAttempts: -1,
    // The default closes for good when a login is refused twice, as it may be while passwords are changed.
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: 500,
    reconnectJitter: 500,
    reconnectJitterTLS: 500,
    pingInterval: 20_000,
    maxPingOut: 2,
    timeout: 5_000,
    // The default captures a stack trace per request.
    noAsyncTraces: true,
  };
}

function urlLogin(urls: readonly URL[]): Pick<NatsConnectionOptions, 'user' | 'pass' | 'token'> {
  const withUser = urls.find((url) => url.username !== '');
  if (withUser === undefined) return {};
  const user = decodeURIComponent(withUser.username);
  const pass = decodeURIComponent(withUser.password);
  return pass === '' ? { token: user } : { user, pass };
}

/** Must not throw: the library would close the connection for good. */
function authenticator(login: Exclude<NatsLogin, { kind: 'urls' }>): Authenticator {
  switch (login.kind) {
    case 'password': {
      const password = freshFile(login.passwordFile, isNotEmpty);
      return () => ({ user: login.user, pass: secretLine(password()) });
    }
    case 'token': {
      const token = freshFile(login.tokenFile, isNotEmpty);
      return () => ({ auth_token: secretLine(token()) });
    }
    case 'credentials': {
      const credentials = freshFile(login.credentialsFile, isCredentials);
      return (nonce) => credsAuthenticator(bytesOf(credentials()))(nonce);
    }
    case 'nkey': {
      const seed = freshFile(login.seedFile, isUserSeed);
      return (nonce) => nkeyAuthenticator(bytesOf(secretLine(seed())))(nonce);
    }
  }
}

const isNotEmpty = (content: string): boolean => secretLine(content) !== '';
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
