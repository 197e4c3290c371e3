import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectionOptions, connect, Events, type NatsConnection } from 'nats';
import { MIN_MAX_PAYLOAD_BYTES } from '../../proto/archive-event.ts';
import { backoffDelayMs } from '../../services/runtime/backoff.ts';
import type { Logger } from '../../services/runtime/logger.ts';

/** The NATS server cannot carry archive events; only its operator can change that. */
export class UnfitNatsServerError extends Error {
  override readonly name = 'UnfitNatsServerError';
}

export interface NatsLink {
  readonly connection: NatsConnection;
  readonly connected: boolean;
  /** Resolves when the connection has closed for good, though nobody asked. */
  readonly lost: Promise<Error>;
  /** Sends what is written and closes, by force after a moment. Idempotent. */
  close(): Promise<void>;
}

const DIAL_BACKOFF = { baseMs: 500, maxMs: 5_000 };
const CLOSE_DEADLINE_MS = 2_000;

/**
 * Connects, for as long as it takes, and stays connected. Rejects with the signal's reason when aborted.
 * (`waitOnFirstConnect` would wait as well, but could not be given up.)
 * @throws {UnfitNatsServerError} when the server's `max_payload` is too small.
 */
export async function connectNats(
  urls: readonly string[],
  name: string,
  log: Logger,
  signal: AbortSignal,
): Promise<NatsLink> {
  const options = connectionOptions(urls, name);
  for (let attempt = 0; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await linkOf(await connect(options), log, signal);
    } catch (error) {
      if (error instanceof UnfitNatsServerError) throw error;
      signal.throwIfAborted();
      log.warn(
        { servers: options.servers, reason: (error as Error).message },
        'NATS: cannot connect, trying again',
      );
    }
    await delay(backoffDelayMs(attempt, DIAL_BACKOFF), undefined, { signal });
  }
}

/** Options for the client library, which reads no credentials from URLs and must never see them in a log line. */
export function connectionOptions(urls: readonly string[], name: string): ConnectionOptions {
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

async function linkOf(connection: NatsConnection, log: Logger, signal: AbortSignal): Promise<NatsLink> {
  const state = { connected: true };
  const maxPayload = connection.info?.max_payload ?? 0;
  if (maxPayload < MIN_MAX_PAYLOAD_BYTES || signal.aborted) {
    await connection.close();
    signal.throwIfAborted();
    throw new UnfitNatsServerError(
      `nats-server has max_payload ${maxPayload} bytes, the archive needs at least ${MIN_MAX_PAYLOAD_BYTES}: ` +
        'raise max_payload in its configuration (its default, 1 MiB, is enough)',
    );
  }
  const { version } = connection.info ?? {};
  log.info({ server: connection.getServer(), version }, 'NATS: connected');
  void watchStatus(connection, state, log);
  let closed: Promise<void> | undefined;
  const lost = connection
    .closed()
    .then((cause) =>
      closed === undefined
        ? new Error('NATS: connection closed for good', { cause })
        : new Promise<never>(() => {}),
    );
  return {
    connection,
    lost,
    get connected() {
      return state.connected && !connection.isClosed();
    },
    close: () => (closed ??= closeGently(connection)),
  };
}

async function watchStatus(
  connection: NatsConnection,
  state: { connected: boolean },
  log: Logger,
): Promise<void> {
  for await (const { type } of connection.status()) {
    if (type === Events.Disconnect) {
      state.connected = false;
      log.warn('NATS: connection lost, reconnecting');
    } else if (type === Events.Reconnect) {
      state.connected = true;
      log.info({ server: connection.getServer() }, 'NATS: connected again');
    }
  }
}

async function closeGently(connection: NatsConnection): Promise<void> {
  // A drain waits for a flush, which never comes while disconnected.
  const drained = connection.drain().catch(() => {});
  const cancel = new AbortController();
  await Promise.race([
    drained,
    delay(CLOSE_DEADLINE_MS, undefined, { signal: cancel.signal }).catch(() => {}),
  ]);
  cancel.abort();
  await connection.close();
}
