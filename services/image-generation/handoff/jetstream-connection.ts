import { setTimeout } from 'node:timers/promises';
import { connect, DebugEvents, Events, type NatsConnection } from 'nats';
import { MIN_MAX_PAYLOAD_BYTES } from '../../../proto/archive-event.ts';
import { backoffDelayMs } from '../../runtime/backoff.ts';
import type { Logger } from '../../runtime/logger.ts';
import { natsConnectionOptions } from '../../runtime/nats-connection-options.ts';

/** A connection that may not be there yet, and may come and go. */
export interface JetStreamConnection {
  /** The connection when it is usable right now. */
  readonly current: NatsConnection | undefined;
  onChange(listener: (connected: boolean) => void): void;
  close(): Promise<void>;
}

const FIRST_CONNECT = { baseMs: 500, maxMs: 5_000 };

/**
 * Connects in the background: the service starts and serves while NATS is away. `waitOnFirstConnect` of the
 * library would do the same, but a connection that never came could not be given up at shutdown.
 */
export function openJetStreamConnection(servers: readonly string[], logger: Logger): JetStreamConnection {
  const stopping = new AbortController();
  const listeners: ((connected: boolean) => void)[] = [];
  let connection: NatsConnection | undefined;
  let connected = false;

  function setConnected(value: boolean): void {
    if (connected === value) return;
    connected = value;
    if (stopping.signal.aborted) return;
    logger.info(value ? 'NATS connected' : 'NATS disconnected');
    for (const listener of listeners) listener(value);
  }

  async function dial(): Promise<void> {
    for (let attempt = 0; !stopping.signal.aborted; attempt += 1) {
      try {
        const dialled = await connect(natsConnectionOptions(servers, 'sekai image service'));
        if (stopping.signal.aborted) return await dialled.close();
        connection = dialled;
        await follow(dialled);
        if (stopping.signal.aborted) return;
        logger.warn('NATS connection was closed for good; dialling anew');
      } catch (error) {
        if (attempt === 0) logger.warn({ err: error }, 'NATS cannot be reached; images go to the spool');
        await pause(backoffDelayMs(attempt, FIRST_CONNECT), stopping.signal);
      }
    }
  }

  /** Follows a connection until it is closed. */
  async function follow(dialled: NatsConnection): Promise<void> {
    checkPayloadLimit(dialled, logger);
    setConnected(true);
    // The iterator does not end with the connection (nats 2.29): it is left behind, not awaited.
    void watchStatus(dialled);
    await dialled.closed();
    setConnected(false);
  }

  async function watchStatus(dialled: NatsConnection): Promise<void> {
    for await (const { type } of dialled.status()) {
      if (type === Events.Disconnect || type === DebugEvents.Reconnecting) setConnected(false);
      if (type === Events.Reconnect) {
        checkPayloadLimit(dialled, logger);
        setConnected(true);
      }
    }
  }

  const followed = dial();
  return {
    get current() {
      return connected ? connection : undefined;
    },
    onChange: (listener) => listeners.push(listener),
    async close() {
      stopping.abort();
      await connection?.close();
      await followed;
    },
  };
}

/** Waits, or less when the signal aborts. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal }).catch(() => {});
}

function checkPayloadLimit({ info }: NatsConnection, logger: Logger): void {
  if (info === undefined || info.max_payload >= MIN_MAX_PAYLOAD_BYTES) return;
  logger.error(
    { maxPayload: info.max_payload, needed: MIN_MAX_PAYLOAD_BYTES },
    'max_payload of the NATS server is too small: images cannot be handed over',
  );
}
