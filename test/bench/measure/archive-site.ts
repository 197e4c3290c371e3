/** NATS with the archive's streams and an S3 that costs next to nothing: what archivers are measured on. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type JetStreamManager, type NatsConnection } from 'nats';
import { type NatsServer, startNatsServer } from '../../../deploy/dev/nats-server.ts';
import {
  archivedSubject,
  ArchivedPair,
  blobSubject,
  CHUNK_BYTES,
  type CheckedArchiveEvent,
  encodeArchiveEvent,
  eventSubject,
  STREAM_EVENTS,
} from '../../../proto/archive-event.ts';
import { ensureTopology } from '../../../sidecar/jetstream/topology.ts';
import type { Pair } from '../subjects/pairs.ts';
import type { Subject, SubjectShelf } from './subjects.ts';

export interface ArchiveSite {
  readonly nats: NatsServer;
  readonly s3: Subject;
  /** For a service that archives. */
  readonly serviceEnvironment: Readonly<Record<string, string>>;
  /** For an archiver. */
  readonly archiverEnvironment: Readonly<Record<string, string>>;
  /** Puts events into the queue; the chunks of chunked ones first. */
  publish(events: readonly { event: CheckedArchiveEvent; pair: Pair }[]): Promise<void>;
  /** Writes into the index that these images are archived. */
  fillIndex(imageHashes: readonly string[]): Promise<void>;
  /** Waits until no more events than these are queued, or in an archiver's hands; fails after two minutes. */
  queueAtMost(events: number): Promise<void>;
  /** S3 answers nothing until `release`: archivers stand still with what they have in hand. */
  hold(): Promise<unknown>;
  release(): Promise<unknown>;
  /** Objects that S3 has taken so far. */
  uploads(): Promise<number>;
}

/** Publishes under way at once. */
const AT_ONCE = 64;
const POLL_MS = 10;
const QUEUE_DEADLINE_MS = 120_000;

export async function openArchiveSite(
  name: string,
  directory: string,
  shelf: SubjectShelf,
  s3DelayMs = 0,
): Promise<ArchiveSite> {
  const nats = await startNatsServer({
    directory: join(directory, `${name}-nats`),
    children: shelf.children,
  });
  shelf.own(() => nats.stop());
  const connection = await connect({ servers: nats.url });
  shelf.own(() => connection.close());
  const manager = await connection.jetstreamManager();
  await ensureTopology(manager, { replicas: 1, onMismatch: () => {} });
  const sink = 'test/bench/subjects/s3-sink.js';
  const s3 = await shelf.peer(`${name}-s3`, sink, { BENCH_S3_DELAY_MS: String(s3DelayMs) });
  const ask = async (path: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${s3.port}${path}`)).text();
  return {
    nats,
    s3,
    serviceEnvironment: { ENABLE_INTERNAL_S3_UPLOAD: 'true', NATS_URL: nats.url },
    archiverEnvironment: {
      NATS_URL: nats.url,
      S3_ENDPOINT: `http://127.0.0.1:${s3.port}`,
      AWS_ACCESS_KEY_ID: 'bench',
      AWS_SECRET_ACCESS_KEY: 'bench',
    },
    publish: (events) => publishEvents(connection, events),
    async fillIndex(imageHashes) {
      const js = connection.jetstream();
      await inBatches(imageHashes, (hash) => js.publish(archivedSubject(hash), archivedPair(hash)));
    },
    queueAtMost: (events) => queueAtMost(manager, events),
    hold: () => ask('/hold'),
    release: () => ask('/release'),
    uploads: async () => Number(await ask('/uploads')),
  };
}

/** Hashes of images that were never made. */
export const madeUpHashes = (count: number, salt: string): string[] =>
  Array.from({ length: count }, (_, index) => createHash('sha256').update(`${salt} ${index}`).digest('hex'));

async function publishEvents(
  connection: NatsConnection,
  events: readonly { event: CheckedArchiveEvent; pair: Pair }[],
): Promise<void> {
  const js = connection.jetstream();
  await inBatches(events, async ({ event, pair }) => {
    if (event.image.kind === 'chunked') {
      for (let index = 0; index < event.image.chunkCount; index += 1) {
        const chunk = pair.image.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
        await js.publish(blobSubject(event.imageHash, event.handoffId, index), chunk);
      }
    }
    await js.publish(eventSubject(event.imageHash), encodeArchiveEvent(event));
  });
}

async function inBatches<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < items.length; from += AT_ONCE) {
    await Promise.all(items.slice(from, from + AT_ONCE).map(work));
  }
}

function archivedPair(imageHash: string): Uint8Array {
  const key = `output-${imageHash}.jpg`;
  const pair = { bucket: 'bench', key, recordKey: key, archiveTime: new Date(), requestId: '' };
  return ArchivedPair.encode(pair).finish();
}

async function queueAtMost(manager: JetStreamManager, events: number): Promise<void> {
  const deadline = Date.now() + QUEUE_DEADLINE_MS;
  while (Date.now() < deadline) {
    const { messages } = (await manager.streams.info(STREAM_EVENTS)).state;
    if (messages <= events) return;
    await sleep(POLL_MS);
  }
  throw new Error(`more than ${events} events are still queued after ${QUEUE_DEADLINE_MS} ms`);
}
