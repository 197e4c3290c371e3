import { setTimeout } from 'node:timers/promises';
import { connect, DebugEvents, Events, type NatsConnection } from 'nats';
import { MIN_MAX_PAYLOAD_BYTES } from '../../../proto/archive-event.ts';
import { backoffDelayMs } from '../../runtime/backoff.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { NatsAccess } from '../../runtime/nats-access.ts';
import { createNatsFaultLog, natsCure } from '../../runtime/nats-fault-log.ts';
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
export function openJetStreamConnection(access: NatsAccess, logger: Logger): JetStreamConnection {
  const stopping = new AbortController();
  const listeners: ((connected: boolean) => void)[] = [];
  let connection: NatsConnection | undefined;
  const faults = createNatsFaultLog(logger);
  let connected = false;

  function setConnected(value: boolean): void {
    if (connected === value) return;
    connected = value;
    if (stopping.signal.aborted) return;
    logger.info(value ? 'NATS connected' : 'NATS disconnected');
    for (const listener of listeners) listener(value);
  }

  async function dial(): Promise<void> {
    let reason: string | undefined;
    for (let attempt = 0; !stopping.signal.aborted; attempt += 1) {
      try {
        const dialled = await connect(natsConnectionOptions(access, 'sekai image service'));
        if (stopping.signal.aborted) return await dialled.close();
        connection = dialled;
        await follow(dialled);
        if (stopping.signal.aborted) return;
        logger.warn('NATS connection was closed for good; dialling anew');
      } catch (error) {
        reason = logReason(error, reason, logger);
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
    for await (const status of dialled.status()) {
      if (status.type === Events.Error) faults.heard(status);
      if (status.type === Events.Disconnect || status.type === DebugEvents.Reconnecting) setConnected(false);
      if (status.type === Events.Reconnect) {
        faults.connected();
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

/** One line for each reason, however often we try. Returns the reason. */
function logReason(error: unknown, last: string | undefined, logger: Logger): string {
  const { message } = error as Error;
  if (message !== last) {
    logger.warn({ err: error, cure: natsCure(error) }, 'NATS cannot be reached; images go to the spool');
  }
  return message;
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
