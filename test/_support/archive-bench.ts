/** What archiver tests need: a real nats-server with the archive's streams, and a publisher of events. */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, headers, type JetStreamManager, type NatsConnection } from 'nats';
import { type NatsServer, startNatsServer } from '../../deploy/dev/nats-server.ts';
import {
  blobSubject,
  type CheckedArchiveEvent,
  chunkCount,
  encodeArchiveEvent,
  eventSubject,
  STREAM_BLOBS,
  STREAM_DEAD,
  STREAM_EVENTS,
} from '../../proto/archive-event.ts';
import { ensureTopology } from '../../sidecar/jetstream/topology.ts';

export interface ArchiveBench {
  readonly server: NatsServer;
  /** Where the server keeps its streams. */
  readonly storeDirectory: string;
  readonly connection: NatsConnection;
  readonly jsm: JetStreamManager;
  /** Purges the streams, for the next test. */
  empty(): Promise<void>;
  close(): Promise<void>;
}

/** Starts a server of its own with the streams of deploy/nats/. */
export async function openArchiveBench(binary: string, config?: string): Promise<ArchiveBench> {
  const directory = await mkdtemp(join(tmpdir(), 'sekai-bench-'));
  const server = await startNatsServer({ binary, directory, ...(config === undefined ? {} : { config }) });
  const connection = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  const jsm = await connection.jetstreamManager();
  await ensureTopology(jsm, { replicas: 1, onMismatch: () => {} });
  return {
    server,
    storeDirectory: join(directory, 'store'),
    connection,
    jsm,
    empty: async () => {
      for (const stream of [STREAM_EVENTS, STREAM_BLOBS, STREAM_DEAD]) await jsm.streams.purge(stream);
    },
    close: async () => {
      await connection.close();
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export interface TestImage {
  readonly bytes: Uint8Array;
  readonly hash: string;
}

/** Random bytes; the archiver does not look into an image. */
export function testImage(sizeBytes: number): TestImage {
  const bytes = randomBytes(sizeBytes);
  return { bytes, hash: createHash('sha256').update(bytes).digest('hex') };
}

/** An event for `image`, inline unless `chunkBytes` is given. */
export function testEvent(
  image: TestImage,
  more: Partial<CheckedArchiveEvent> & { readonly chunkBytes?: number } = {},
): CheckedArchiveEvent {
  const { chunkBytes, ...fields } = more;
  const size = image.bytes.length;
  return {
    handoffId: randomUUID(),
    imageHash: image.hash,
    imageSizeBytes: size,
    imageMediaType: 'image/jpeg',
    requestId: randomUUID(),
    createTime: new Date(),
    inputRecord: Buffer.from(JSON.stringify({ hash: image.hash })),
    image:
      chunkBytes === undefined
        ? { kind: 'inline', bytes: image.bytes }
        : { kind: 'chunked', chunkCount: chunkCount(size, chunkBytes), chunkBytes },
    ...fields,
  };
}

/** Publishes chunks, if any, but for those in `without`; then the event. */
export async function publishEvent(
  connection: NatsConnection,
  event: CheckedArchiveEvent,
  image: TestImage,
  without: readonly number[] = [],
): Promise<void> {
  const js = connection.jetstream();
  if (event.image.kind === 'chunked') {
    const { chunkBytes, chunkCount: count } = event.image;
    for (let i = 0; i < count; i += 1) {
      if (without.includes(i)) continue;
      const chunk = image.bytes.subarray(i * chunkBytes, (i + 1) * chunkBytes);
      await js.publish(blobSubject(event.imageHash, event.handoffId, i), chunk);
    }
  }
  await publishPayload(connection, event.imageHash, encodeArchiveEvent(event), event.handoffId);
}

export async function publishPayload(
  connection: NatsConnection,
  hash: string,
  payload: Uint8Array,
  messageId: string = randomUUID(),
): Promise<void> {
  const head = headers();
  head.set('Nats-Msg-Id', messageId);
  await connection.jetstream().publish(eventSubject(hash), payload, { headers: head });
}

/** Messages in a stream, optionally under a filter. */
export async function messageCount(jsm: JetStreamManager, stream: string): Promise<number> {
  return (await jsm.streams.info(stream)).state.messages;
}

/** Polls until `test` holds. @throws {Error} naming `what` after `deadlineMs`. */
export async function until(
  what: string,
  test: () => boolean | Promise<boolean>,
  deadlineMs = 15_000,
): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (!(await test())) {
    if (Date.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await delay(20);
  }
}
