/** How every process of ours connects to NATS. Plain data: the library stays in the adapters. */

/** Options for `connect` of the `nats` package. Hold the login: never to be logged. */
export interface NatsConnectionOptions {
  readonly servers: string[];
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  readonly tls?: object;
  readonly name: string;
  readonly maxReconnectAttempts: number;
  readonly ignoreAuthErrorAbort: boolean;
  readonly reconnectTimeWait: number;
  readonly reconnectJitter: number;
  readonly pingInterval: number;
  readonly maxPingOut: number;
  readonly timeout: number;
  readonly noAsyncTraces: boolean;
}

/**
 * Options for a list of URLs. The library reads no credentials from URLs and must never see them in a log line:
 * user and password, or a token alone, are taken from the first URL that has them.
 * @param name What the server calls the connection.
 */
export function natsConnectionOptions(urls: readonly string[], name: string): NatsConnectionOptions {
  const parsed = urls.map((text) => new URL(text));
  const withUser = parsed.find((url) => url.username !== '');
  const user = decodeURIComponent(withUser?.username ?? '');
  const pass = decodeURIComponent(withUser?.password ?? '');
  const login = withUser === undefined ? {} : pass === '' ? { token: user } : { user, pass };
  return {
    servers: parsed.map((url) => `${url.hostname}:${url.port || '4222'}`),
    ...login,
    ...(parsed.some((url) => url.protocol === 'tls:') ? { tls: {} } : {}),
    name,
    // The default gives up after ten attempts and closes for good.
    maxReconnectAttempts: -1,
    // The default closes for good when a login is refused twice, as it may be while passwords are changed.
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: 500,
    reconnectJitter: 500,
    pingInterval: 20_000,
    maxPingOut: 2,
    timeout: 5_000,
    // The default captures a stack trace per request.
    noAsyncTraces: true,
  };
}
