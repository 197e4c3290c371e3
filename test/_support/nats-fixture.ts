/** A real nats-server with the archive's streams, and a connection to look into it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type JetStreamManager, type NatsConnection } from 'nats';
import { type NatsServer, startNatsServer } from '../../deploy/dev/nats-server.ts';
import {
  type CheckedArchiveEvent,
  decodeArchiveEvent,
  eventSubject,
  imageBlobsFilter,
  STREAM_BLOBS,
  STREAM_EVENTS,
} from '../../proto/archive-event.ts';
import { ensureTopology } from '../../sidecar/jetstream/topology.ts';

export interface NatsFixture {
  readonly server: NatsServer;
  readonly nats: NatsConnection;
  readonly manager: JetStreamManager;
  /** The queued event of an image, or undefined. */
  queuedEvent(imageHash: string): Promise<CheckedArchiveEvent | undefined>;
  /** Number of chunks stored for an image. */
  chunkCount(imageHash: string): Promise<number>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startNatsFixture(
  options: { binary?: string; streams?: boolean } = {},
): Promise<NatsFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'sekai-nats-'));
  const binary = options.binary === undefined ? {} : { binary: options.binary };
  const server = await startNatsServer({ directory, ...binary });
  const nats = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  const manager = await nats.jetstreamManager();
  if (options.streams !== false) await createStreams(manager);
  return {
    server,
    nats,
    manager,
    async queuedEvent(imageHash) {
      try {
        const subject = eventSubject(imageHash);
        const message = await manager.streams.getMessage(STREAM_EVENTS, { last_by_subj: subject });
        return decodeArchiveEvent(message.data);
      } catch {
        return undefined;
      }
    },
    async chunkCount(imageHash) {
      const info = await manager.streams.info(STREAM_BLOBS, { subjects_filter: imageBlobsFilter(imageHash) });
      return Object.keys(info.state.subjects ?? {}).length;
    },
    async [Symbol.asyncDispose]() {
      await nats.close();
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export function createStreams(manager: JetStreamManager): Promise<void> {
  return ensureTopology(manager, { replicas: 1, onMismatch: () => {} });
}
