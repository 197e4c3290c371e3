/** Looks at NATS as an archiver would find it; creates and changes nothing. */
import { connect, type JetStreamManager } from 'nats';
import { CONSUMER_ARCHIVER, STREAM_EVENTS } from '../../proto/archive-event.ts';
import type { NatsAccess } from '../../services/runtime/nats-access.ts';
import { natsConnectionOptions } from '../../services/runtime/nats-connection-options.ts';
import { needsWatchdog } from './consumer-watchdog.ts';
import { isApiError, JS_CONSUMER_NOT_FOUND, JS_STREAM_NOT_FOUND } from './errors.ts';
import { askQueue } from './queue-access.ts';
import { archiverConsumer, archiveStreams, differencesOf } from './topology.ts';

export interface QueueInspection {
  readonly serverVersion: string;
  /** Older than the version that no longer stalls after crashes. */
  readonly outdated: boolean;
  readonly maxPayloadBytes: number;
  readonly streams: readonly InspectedStream[];
  readonly consumer: Inspected;
}

/** A stream or the consumer, held against its file under deploy/nats. */
export interface Inspected {
  readonly name: string;
  readonly missing: boolean;
  readonly differences: readonly string[];
}

export interface InspectedStream extends Inspected {
  readonly messages: number;
  readonly bytes: number;
  /** Undefined when there is no limit. */
  readonly maxBytes: number | undefined;
  /** Undefined when it is empty. */
  readonly oldestAt: Date | undefined;
}

/**
 * Connects once: a person waits.
 * @throws {QueueAccessError} when NATS does not answer, or without JetStream.
 */
export async function inspectQueue(access: NatsAccess, replicas: number): Promise<QueueInspection> {
  const connection = await askQueue(() => connect(natsConnectionOptions(access, 'sekai-archive')));
  try {
    const { version = '', max_payload: maxPayloadBytes = 0 } = connection.info ?? {};
    const jsm = await askQueue(() => connection.jetstreamManager());
    const streams: InspectedStream[] = [];
    for (const wanted of archiveStreams(replicas)) {
      streams.push(await askQueue(() => inspectStream(jsm, wanted)));
    }
    const consumer = await askQueue(() => inspectConsumer(jsm));
    return { serverVersion: version, outdated: needsWatchdog(version), maxPayloadBytes, streams, consumer };
  } finally {
    await connection.close();
  }
}

async function inspectStream(
  jsm: JetStreamManager,
  wanted: ReturnType<typeof archiveStreams>[number],
): Promise<InspectedStream> {
  const { name } = wanted;
  try {
    const { config, state } = await jsm.streams.info(name);
    return {
      name,
      missing: false,
      differences: differencesOf(wanted, config),
      messages: state.messages,
      bytes: state.bytes,
      maxBytes: config.max_bytes > 0 ? config.max_bytes : undefined,
      oldestAt: state.messages > 0 ? new Date(state.first_ts) : undefined,
    };
  } catch (error) {
    if (!isApiError(error, JS_STREAM_NOT_FOUND)) throw error;
    return {
      name,
      missing: true,
      differences: [],
      messages: 0,
      bytes: 0,
      maxBytes: undefined,
      oldestAt: undefined,
    };
  }
}

async function inspectConsumer(jsm: JetStreamManager): Promise<Inspected> {
  const name = `consumer ${CONSUMER_ARCHIVER}`;
  try {
    const { config } = await jsm.consumers.info(STREAM_EVENTS, CONSUMER_ARCHIVER);
    return { name, missing: false, differences: differencesOf(archiverConsumer(), config) };
  } catch (error) {
    const missing = isApiError(error, JS_CONSUMER_NOT_FOUND) || isApiError(error, JS_STREAM_NOT_FOUND);
    if (!missing) throw error;
    return { name, missing, differences: [] };
  }
}
