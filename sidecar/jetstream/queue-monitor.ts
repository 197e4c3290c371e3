import { setTimeout as delay } from 'node:timers/promises';
import type { JetStreamManager, KV, NatsConnection } from 'nats';
import { CONSUMER_ARCHIVER, STREAM_EVENTS } from '../../proto/archive-event.ts';
import type { Logger } from '../../services/runtime/logger.ts';
import type { ArchiveIndex } from '../archive-index.ts';
import type { ArchiverMetrics } from '../archiver-metrics.ts';
import type { ImageChunks } from '../image-chunks.ts';
import {
  type ConsumerSnapshot,
  diagnose,
  needsWatchdog,
  remember,
  type WatchdogTimings,
} from './consumer-watchdog.ts';
import { createSweepClock, sweepOrphans } from './orphan-sweep.ts';
import type { PassedOverEvents } from './passed-over-events.ts';
import { readQueueFacts } from './queue-facts.ts';
import { takeRebuildLease } from './rebuild-lease.ts';

/** Between the diagnosis and the second look that must confirm it, as a part of the time between polls. */
const CONFIRM_AFTER = 0.1;

export interface QueueMonitorParts {
  readonly connection: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly bucket: KV;
  readonly index: Pick<ArchiveIndex, 'get'>;
  readonly chunks: Pick<ImageChunks, 'purge'>;
  readonly ensureConsumer: () => Promise<void>;
  readonly passedOver: Pick<PassedOverEvents, 'look'>;
  readonly metrics: ArchiverMetrics;
  readonly log: Logger;
  readonly timings: WatchdogTimings;
}

/**
 * Until `signal` is aborted: looks at the queue every 10 s, for the gauges and, with an old server, for the
 * watchdog. Never rejects.
 */
export async function monitorQueue(parts: QueueMonitorParts, signal: AbortSignal): Promise<void> {
  let history: ConsumerSnapshot[] = [];
  let sweepIsDue = createSweepClock();
  while (!signal.aborted) {
    try {
      history = await watch(parts, history, signal);
      if (sweepIsDue(parts.connection.info?.server_id ?? '')) await sweep(parts, signal);
    } catch (error) {
      // No answer, no history: an outage is not a stall.
      history = [];
      // Nor has anything been swept for certain.
      sweepIsDue = createSweepClock();
      if (!signal.aborted) parts.log.debug({ err: error }, 'Archive: the queue could not be looked at');
    }
    await delay(parts.timings.pollMs, undefined, { signal }).catch(() => {});
  }
}

async function sweep(
  { jsm, index, chunks, log, metrics }: QueueMonitorParts,
  signal: AbortSignal,
): Promise<void> {
  const images = await sweepOrphans({ jsm, index, chunks }, signal);
  metrics.orphansPurged(images);
  if (images > 0) log.info({ images }, 'Archive: purged chunks of images that are archived already');
}

/** One look, and the cure if it is needed and ours to give. Returns the history for the next look. */
async function watch(
  parts: QueueMonitorParts,
  history: readonly ConsumerSnapshot[],
  signal: AbortSignal,
): Promise<ConsumerSnapshot[]> {
  const { timings } = parts;
  const first = remember(history, await look(parts), timings);
  if (!needsWatchdog(parts.connection.info?.version ?? '')) return first;
  const ailment = diagnose(first, timings);
  if (ailment === undefined) return first;
  await delay(timings.pollMs * CONFIRM_AFTER, undefined, { signal });
  const second = remember(first, await look(parts), timings);
  if (diagnose(second, timings) !== ailment) return second;
  if (!(await takeRebuildLease(parts.bucket, timings.rebuildIntervalMs))) return second;
  await rebuildConsumer(parts, ailment);
  return [];
}

/** Deletes the consumer and creates it anew: every event still in the work queue is delivered again. */
export async function rebuildConsumer(
  {
    jsm,
    ensureConsumer,
    metrics,
    log,
  }: Pick<QueueMonitorParts, 'jsm' | 'ensureConsumer' | 'metrics' | 'log'>,
  ailment: string,
): Promise<void> {
  log.warn({ ailment }, 'Archive: consumer is rebuilt; upgrade nats-server to 2.10.25 or later');
  try {
    await jsm.consumers.delete(STREAM_EVENTS, CONSUMER_ARCHIVER);
  } catch (error) {
    // 2.9 has been seen to delete a consumer and then to complain about its folder.
    log.warn({ err: error }, 'Archive: deleting the consumer was answered with an error');
  }
  await ensureConsumer();
  metrics.consumerRebuilt();
}

async function look({ jsm, metrics, passedOver, log }: QueueMonitorParts): Promise<ConsumerSnapshot> {
  const facts = await readQueueFacts(jsm);
  const { messages, bytes, numPending: pending, numAckPending: ackPending, oldestAgeSeconds } = facts;
  metrics.queueSeen({ messages, bytes, pending, ackPending, oldestAgeSeconds });
  const events = await passedOver.look({
    firstSequence: facts.firstSequence ?? Number.MAX_SAFE_INTEGER,
    ackFloor: facts.ackFloorSequence,
  });
  if (events > 0) log.info({ events }, 'Archive: taking events that nats-server has passed over');
  return facts;
}
