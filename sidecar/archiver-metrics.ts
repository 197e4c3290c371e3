import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { EventFaultReason } from '../proto/archive-event.ts';
import type { LinkResult } from './jetstream/link-responder.ts';
import type { TargetFaultKind } from './object-store.ts';

/** Why an event was given back. */
export type RetryClass = 'target' | 'queue' | 'newer_schema' | 'breaker_open' | 'stopping';

/** What the queue looks like from the server's side. */
export interface QueueFigures {
  readonly messages: number;
  readonly bytes: number;
  readonly pending: number;
  readonly ackPending: number;
  readonly oldestAgeSeconds: number;
}

/** What this process holds, read whenever metrics are collected. */
export interface HoldingFigures {
  readonly inFlight: () => number;
  readonly bytesInFlight: () => number;
  readonly breakerClosed: () => boolean;
  readonly natsConnected: () => boolean;
}

/** Reported by the loop, the use case and the queue's adapters; none of them knows how it is counted. */
export interface ArchiverMetrics {
  readonly registry: Registry;
  /** A pair is archived and its event acknowledged; `createTime` is the event's. */
  archived(result: PairResult, createTime: Date): void;
  objectStored(bytes: number, elapsedMs: number): void;
  /** The bucket, its credentials or the way to it were at fault. */
  targetFaulty(kind: TargetFaultKind): void;
  retried(why: RetryClass): void;
  buried(reason: EventFaultReason): void;
  consumerRebuilt(): void;
  /** Chunks of so many archived images were left over and are purged. */
  orphansPurged(images: number): void;
  /** How a request for a download link ended. */
  linkAnswered(this: void, result: LinkResult): void;
  queueSeen(figures: QueueFigures): void;
  /** To be called once; until then there is nothing to hold. */
  observeHoldings(figures: HoldingFigures): void;
}

export type PairResult = 'uploaded' | 'duplicate';

/** From a pair in passing to an outage of the bucket that the blobs just survive, seconds. */
const LAG_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 86_400, 604_800];
const UPLOAD_BUCKETS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export function createArchiverMetrics(): ArchiverMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const counts = counters(registry);
  const times = histograms(registry);
  const queue = queueGauges(registry);
  const lastSuccess = new Gauge(
    named(registry, 'last_success_timestamp_seconds', 'When a pair was archived last, 0 before the first'),
  );
  const holdings = holdingGauges(registry);
  return {
    registry,
    archived: (result, createTime) => {
      counts.pairs.inc({ result });
      // Another host made the time: its clock may be ahead of ours.
      times.lag.observe(Math.max(0, Date.now() - createTime.getTime()) / 1_000);
      lastSuccess.set(Date.now() / 1_000);
    },
    objectStored: (size, elapsedMs) => {
      counts.bytes.inc(size);
      times.upload.observe(elapsedMs / 1_000);
    },
    targetFaulty: (kind) => counts.faults.inc({ kind }),
    retried: (why) => counts.retries.inc({ class: why }),
    buried: (reason) => counts.dead.inc({ reason }),
    consumerRebuilt: () => counts.rebuilt.inc(),
    orphansPurged: (images) => counts.orphans.inc(images),
    linkAnswered: (result) => counts.links.inc({ result }),
    queueSeen: queue,
    observeHoldings: holdings,
  };
}

const named = (registry: Registry, name: string, help: string) => ({
  name: `sekai_archiver_${name}`,
  help,
  registers: [registry],
});

/** Series of known labels start at 0: one that appears with its first event has no rate for it. */
function counters(registry: Registry) {
  const plain = (name: string, help: string): Counter => new Counter(named(registry, name, help));
  const labelled = <L extends string>(name: string, help: string, label: L, values: readonly string[]) => {
    const counter = new Counter<L>({ ...named(registry, name, help), labelNames: [label] });
    for (const value of values) counter.inc({ [label]: value } as Record<L, string>, 0);
    return counter;
  };
  return {
    pairs: labelled('pairs_total', 'Pairs archived, by result', 'result', PAIR_RESULTS),
    bytes: plain('uploaded_bytes_total', 'Bytes of stored objects'),
    faults: labelled('target_faults_total', 'Faults of the bucket or the way to it', 'kind', FAULT_KINDS),
    retries: labelled('retries_total', 'Events given back to the queue, by reason', 'class', RETRY_CLASSES),
    dead: labelled('dead_letters_total', 'Events that can never succeed, by reason', 'reason', DEAD_REASONS),
    rebuilt: plain('consumer_rebuilt_total', 'Times the watchdog rebuilt the consumer'),
    orphans: plain('orphaned_images_purged_total', 'Archived images whose left-over chunks were purged'),
    links: labelled('links_total', 'Requests for download links answered, by result', 'result', LINK_RESULTS),
  };
}

const PAIR_RESULTS: readonly PairResult[] = ['uploaded', 'duplicate'];
const LINK_RESULTS = Object.keys({
  LINK: true,
  NOT_FOUND: true,
  BUSY: true,
  UNAVAILABLE: true,
} satisfies Record<LinkResult, true>);
const RETRY_CLASSES = Object.keys({
  target: true,
  queue: true,
  newer_schema: true,
  breaker_open: true,
  stopping: true,
} satisfies Record<RetryClass, true>);
const DEAD_REASONS = Object.keys({
  UNDECODABLE: true,
  INVALID_FIELD: true,
  SIZE_MISMATCH: true,
  HASH_MISMATCH: true,
  CHUNKS_MISSING: true,
  OBJECT_SIZE_REFUSED: true,
} satisfies Record<EventFaultReason, true>);
const FAULT_KINDS = Object.keys({
  credentials: true,
  permission: true,
  bucket: true,
  configuration: true,
  clock: true,
  throttled: true,
  unavailable: true,
  network: true,
} satisfies Record<TargetFaultKind, true>);

const histograms = (registry: Registry) => ({
  upload: new Histogram({
    ...named(registry, 'upload_seconds', 'Time to store one object'),
    buckets: UPLOAD_BUCKETS,
  }),
  lag: new Histogram({
    ...named(registry, 'lag_seconds', 'Time from the hand-off of a pair to its acknowledged archiving'),
    buckets: LAG_BUCKETS,
  }),
});

function queueGauges(registry: Registry): (figures: QueueFigures) => void {
  const gauge = (name: string, help: string): Gauge => new Gauge(named(registry, name, help));
  const gauges = {
    messages: gauge('queue_events', 'Events in the queue, delivered or not'),
    bytes: gauge('queue_bytes', 'Bytes of the events in the queue'),
    pending: gauge('queue_pending', 'Events not delivered yet'),
    ackPending: gauge('queue_ack_pending', 'Events held by any archiver or waiting for a retry'),
    oldestAgeSeconds: gauge('queue_oldest_age_seconds', 'Age of the oldest event in the queue'),
  };
  const seen = gauge('queue_seen_timestamp_seconds', 'When the queue was looked at last, 0 before the first');
  return (figures) => {
    for (const name of Object.keys(gauges) as (keyof QueueFigures)[]) gauges[name].set(figures[name]);
    seen.set(Date.now() / 1_000);
  };
}

/** The gauges are there from the start: an archiver that never reaches NATS says so. */
function holdingGauges(registry: Registry): (figures: HoldingFigures) => void {
  let held: HoldingFigures | undefined;
  const gauge = (name: string, help: string, read: (figures: HoldingFigures) => number): void => {
    const it: Gauge = new Gauge({
      ...named(registry, name, help),
      collect: () => it.set(held ? read(held) : 0),
    });
  };
  gauge('in_flight', 'Events this archiver holds', ({ inFlight }) => inFlight());
  gauge('bytes_in_flight', 'Bytes of pairs this archiver holds', ({ bytesInFlight }) => bytesInFlight());
  gauge('breaker_open', '1 while a fault of the bucket keeps work back', (of) =>
    of.breakerClosed() ? 0 : 1,
  );
  gauge('nats_connected', '1 while connected to NATS', ({ natsConnected }) => (natsConnected() ? 1 : 0));
  return (figures) => {
    held = figures;
  };
}
