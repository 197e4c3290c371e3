import { setTimeout as delay } from 'node:timers/promises';
import { connect, Events, type NatsConnection } from 'nats';
import { MIN_MAX_PAYLOAD_BYTES } from '../../proto/archive-event.ts';
import { backoffDelayMs } from '../../services/runtime/backoff.ts';
import type { Logger } from '../../services/runtime/logger.ts';
import type { NatsAccess } from '../../services/runtime/nats-access.ts';
import { createNatsFaultLog, natsCure } from '../../services/runtime/nats-fault-log.ts';
import { natsConnectionOptions } from '../../services/runtime/nats-connection-options.ts';

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
  access: NatsAccess,
  name: string,
  log: Logger,
  signal: AbortSignal,
): Promise<NatsLink> {
  const options = natsConnectionOptions(access, name);
  for (let attempt = 0; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await linkOf(await connect(options), log, signal);
    } catch (error) {
      if (error instanceof UnfitNatsServerError) throw error;
      signal.throwIfAborted();
      log.warn(
        { servers: options.servers, reason: (error as Error).message, cure: natsCure(error) },
        'NATS: cannot connect, trying again',
      );
    }
    await delay(backoffDelayMs(attempt, DIAL_BACKOFF), undefined, { signal });
  }
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
  const faults = createNatsFaultLog(log);
  for await (const status of connection.status()) {
    const { type } = status;
    if (type === Events.Error) faults.heard(status);
    else if (type === Events.Disconnect) {
      state.connected = false;
      log.warn('NATS: connection lost, reconnecting');
    } else if (type === Events.Reconnect) {
      state.connected = true;
      faults.connected();
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
