import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { EventFaultReason } from '../proto/archive-event.ts';

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

export interface ArchiverMetrics {
  readonly registry: Registry;
  archived(result: 'uploaded' | 'duplicate'): void;
  objectStored(bytes: number, elapsedMs: number): void;
  retried(why: RetryClass): void;
  buried(reason: EventFaultReason): void;
  consumerRebuilt(): void;
  /** How a request for a download link ended. */
  linkAnswered(this: void, result: string): void;
  queueSeen(figures: QueueFigures): void;
  observeHoldings(figures: HoldingFigures): void;
}

export function createArchiverMetrics(): ArchiverMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const named = (name: string, help: string) => metric(registry, name, help);
  const pairs = new Counter({
    ...named('pairs_total', 'Pairs archived, by result'),
    labelNames: ['result'],
  });
  const bytes = new Counter(named('uploaded_bytes_total', 'Bytes of stored objects'));
  const seconds = new Histogram({
    ...named('upload_seconds', 'Time to store one object'),
    buckets: [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  });
  const retries = new Counter({
    ...named('retries_total', 'Events given back to the queue, by reason'),
    labelNames: ['class'],
  });
  const dead = new Counter({
    ...named('dead_letters_total', 'Events that can never succeed, by reason'),
    labelNames: ['reason'],
  });
  const rebuilt = new Counter(named('consumer_rebuilt_total', 'Times the watchdog rebuilt the consumer'));
  const links = new Counter({
    ...named('links_total', 'Requests for download links answered, by result'),
    labelNames: ['result'],
  });
  const queue = {
    messages: new Gauge(named('queue_events', 'Events in the queue, delivered or not')),
    bytes: new Gauge(named('queue_bytes', 'Bytes of the events in the queue')),
    pending: new Gauge(named('queue_pending', 'Events not delivered yet')),
    ackPending: new Gauge(named('queue_ack_pending', 'Events held by any archiver or waiting for a retry')),
    oldestAgeSeconds: new Gauge(named('queue_oldest_age_seconds', 'Age of the oldest event in the queue')),
  };
  return {
    registry,
    archived: (result) => pairs.inc({ result }),
    objectStored: (size, elapsedMs) => {
      bytes.inc(size);
      seconds.observe(elapsedMs / 1000);
    },
    retried: (why) => retries.inc({ class: why }),
    buried: (reason) => dead.inc({ reason }),
    consumerRebuilt: () => rebuilt.inc(),
    linkAnswered: (result) => links.inc({ result }),
    queueSeen: (figures) => {
      for (const name of Object.keys(queue) as (keyof QueueFigures)[]) queue[name].set(figures[name]);
    },
    observeHoldings: (figures) => {
      const gauge = (name: string, help: string, read: () => number): void =>
        readGauge(named(name, help), read);
      gauge('in_flight', 'Events this archiver holds', figures.inFlight);
      gauge('bytes_in_flight', 'Bytes of pairs this archiver holds', figures.bytesInFlight);
      gauge('breaker_open', '1 while a fault of the bucket keeps work back', () =>
        figures.breakerClosed() ? 0 : 1,
      );
      gauge('nats_connected', '1 while connected to NATS', () => (figures.natsConnected() ? 1 : 0));
    },
  };
}

const metric = (registry: Registry, name: string, help: string) => ({
  name: `sekai_archiver_${name}`,
  help,
  registers: [registry],
});

/** A gauge that is read when metrics are collected. */
function readGauge(configuration: ReturnType<typeof metric>, read: () => number): void {
  const gauge: Gauge = new Gauge({ ...configuration, collect: () => gauge.set(read()) });
}
