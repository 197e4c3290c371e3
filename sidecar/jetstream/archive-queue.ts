import { setTimeout as delay } from 'node:timers/promises';
import { backoffDelayMs } from '../../services/runtime/backoff.ts';
import type { Logger } from '../../services/runtime/logger.ts';
import type { NatsAccess } from '../../services/runtime/nats-access.ts';
import type { ArchiveIndex } from '../archive-index.ts';
import type { ArchiverMetrics } from '../archiver-metrics.ts';
import type { DeadLetters } from '../dead-letters.ts';
import type { EventSource } from '../event-source.ts';
import type { ImageChunks } from '../image-chunks.ts';
import { connectNats, type NatsLink } from './connection.ts';
import { WATCHDOG_TIMINGS, type WatchdogTimings } from './consumer-watchdog.ts';
import { createJetStreamArchiveIndex, openArchivedBucket } from './jetstream-archive-index.ts';
import { createJetStreamDeadLetters } from './jetstream-dead-letters.ts';
import { createJetStreamEventSource } from './jetstream-event-source.ts';
import { createJetStreamImageChunks } from './jetstream-image-chunks.ts';
import { type LinkResponder, type LinkResponderParts, startLinkResponder } from './link-responder.ts';
import { createPassedOverEvents } from './passed-over-events.ts';
import { monitorQueue } from './queue-monitor.ts';
import { ensureConsumer, ensureTopology, type TopologyOptions } from './topology.ts';

/** Everything the archiver needs of NATS. */
export interface ArchiveQueue {
  readonly source: EventSource;
  readonly chunks: ImageChunks;
  readonly index: ArchiveIndex;
  readonly deadLetters: DeadLetters;
  /** Answers requests for download links, until it is stopped or the queue closed. */
  answerLinks(parts: Omit<LinkResponderParts, 'connection'>): LinkResponder;
  readonly connected: boolean;
  /** Resolves when the connection is gone for good, though nobody asked. */
  readonly lost: Promise<Error>;
  /** Idempotent. To be called when nothing is held any more. */
  close(): Promise<void>;
}

export interface ArchiveQueueOptions {
  readonly access: NatsAccess;
  readonly replicas: number;
  readonly log: Logger;
  readonly metrics: ArchiverMetrics;
  readonly watchdog?: WatchdogTimings;
}

const TOPOLOGY_BACKOFF = { baseMs: 1_000, maxMs: 15_000 };

/**
 * Connects, creates the streams that are missing, and watches over the consumer. Waits as long as NATS is away.
 * Rejects with the signal's reason when aborted.
 * @throws {UnfitNatsServerError} when the server can never serve.
 */
export async function openArchiveQueue(
  options: ArchiveQueueOptions,
  signal: AbortSignal,
): Promise<ArchiveQueue> {
  const { log } = options;
  const link = await connectNats(options.access, 'sekai-archiver', log, signal);
  try {
    const topology: TopologyOptions = { replicas: options.replicas, onMismatch: mismatchReporter(log) };
    const { jsm, bucket } = await retryUntilReady(link, topology, log, signal);
    return queueOver(link, jsm, bucket, topology, options);
  } catch (error) {
    await link.close();
    throw error;
  }
}

/** Each difference is said once, however often the streams are looked at. */
function mismatchReporter(log: Logger): TopologyOptions['onMismatch'] {
  const said = new Set<string>();
  return (name, differences) => {
    const what = JSON.stringify([name, differences]);
    if (said.has(what)) return;
    said.add(what);
    log.warn(
      { name, differences },
      'NATS: a stream or consumer differs from deploy/nats, it is left as it is',
    );
  };
}

type Jsm = Awaited<ReturnType<NatsLink['connection']['jetstreamManager']>>;
type Bucket = Awaited<ReturnType<typeof openArchivedBucket>>;

async function retryUntilReady(
  link: NatsLink,
  topology: TopologyOptions,
  log: Logger,
  signal: AbortSignal,
): Promise<{ jsm: Jsm; bucket: Bucket }> {
  for (let attempt = 0; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      const jsm = await link.connection.jetstreamManager();
      await ensureTopology(jsm, topology);
      return { jsm, bucket: await openArchivedBucket(link.connection) };
    } catch (error) {
      log.warn({ err: error }, 'NATS: streams cannot be set up yet, trying again');
    }
    await delay(backoffDelayMs(attempt, TOPOLOGY_BACKOFF), undefined, { signal });
  }
}

function queueOver(
  link: NatsLink,
  jsm: Jsm,
  bucket: Bucket,
  topology: TopologyOptions,
  { log, metrics, watchdog: timings = WATCHDOG_TIMINGS }: ArchiveQueueOptions,
): ArchiveQueue {
  const { connection } = link;
  // All of it: a server that lost its disk comes back without streams, and publishers wait for them.
  const ensure = (): Promise<void> => ensureTopology(jsm, topology);
  const passedOver = createPassedOverEvents(jsm);
  const index = createJetStreamArchiveIndex(connection, bucket);
  const chunks = createJetStreamImageChunks(connection, jsm);
  const monitoring = new AbortController();
  const monitor = monitorQueue(
    {
      connection,
      jsm,
      bucket,
      index,
      chunks,
      ensureConsumer: () => ensureConsumer(jsm, topology),
      passedOver,
      metrics,
      log,
      timings,
    },
    monitoring.signal,
  );
  return {
    source: createJetStreamEventSource(connection, ensure, passedOver),
    chunks,
    index,
    deadLetters: createJetStreamDeadLetters(connection, jsm),
    answerLinks: (parts) => startLinkResponder({ ...parts, connection }),
    lost: link.lost,
    get connected() {
      return link.connected;
    },
    close: async () => {
      monitoring.abort();
      // Closing ends the monitor's open requests.
      await link.close();
      await monitor;
    },
  };
}
