/** The system under chaos: real processes, with a proxy on every way between them. */
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect, type NatsConnection } from 'nats';
import { type LocalS3, startLocalS3 } from '../../deploy/dev/local-s3/local-s3.ts';
import { type NatsServer, startNatsServer } from '../../deploy/dev/nats-server.ts';
import { STREAM_EVENTS } from '../../proto/archive-event.ts';
import { archiverConsumer, ensureTopology } from '../../sidecar/jetstream/topology.ts';
import type { CallersOptions } from './callers.ts';
import { openSpoolDisk, type SpoolDisk } from './spool-disk.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';
import { createUploadCount, type UploadCount } from './upload-count.ts';
import { createVictim, type Victim } from './victim.ts';

export const BUCKET = 'chaos-bucket';
const PREFIX = 'pairs/';
export const CREDENTIALS = { accessKeyId: 'chaos', secretAccessKey: 'chaos-secret' };

export interface ChaosStack {
  readonly nats: NatsServer;
  readonly s3: LocalS3;
  readonly links: Readonly<Record<'service-nats' | 'archiver-nats' | 'archiver-s3', TcpProxy>>;
  readonly service: Victim;
  readonly archiver: Victim;
  readonly callers: Victim;
  readonly spool: SpoolDisk;
  readonly uploads: UploadCount;
  /** Where the service listens. */
  readonly target: string;
  /** A connection past all proxies, to look into the streams. */
  readonly observer: NatsConnection;
  readonly ledgerFile: string;
  /** Objects as files, named by the last part of their keys. */
  readonly objectDirectory: string;
  /** Ends what still runs. The directory is the caller's to remove. */
  close(): Promise<void>;
}

export interface ChaosStackOptions {
  readonly directory: string;
  readonly natsBinary: string | undefined;
  /** Archiver with short pauses, and a short ack_wait, for runs that have no minutes to wait. */
  readonly hurried: boolean;
  readonly ackWaitMs: number;
  readonly largeSpool: boolean;
  readonly callers: Omit<CallersOptions, 'target' | 'ledgerFile'>;
}

export async function startChaosStack(options: ChaosStackOptions): Promise<ChaosStack> {
  const { directory } = options;
  const owned: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of owned.splice(0).toReversed()) await end();
  };
  try {
    await mkdir(directory, { recursive: true });
    const nats = await startNatsServer({
      directory: join(directory, 'nats'),
      ...(options.natsBinary === undefined ? {} : { binary: options.natsBinary }),
    });
    owned.push(async () => (await nats.kill('SIGCONT'), nats.stop()));
    const observer = await observe(nats, options.ackWaitMs);
    owned.push(() => observer.close());
    const uploads = createUploadCount();
    const s3 = await startLocalS3({
      directory: join(directory, 's3'),
      credentials: [CREDENTIALS],
      region: 'us-east-1',
      buckets: [{ name: BUCKET }],
      log: uploads.add,
    });
    owned.push(() => s3.stop());
    const links = {
      'service-nats': await startTcpProxy(nats.port),
      'archiver-nats': await startTcpProxy(nats.port),
      'archiver-s3': await startTcpProxy(Number(new URL(s3.endpoint).port)),
    };
    for (const link of Object.values(links)) owned.push(() => link.close());
    const spool = await openSpoolDisk(join(directory, 'spool'), options.largeSpool);
    owned.push(() => spool.close());
    const target = `127.0.0.1:${await freePort()}`;
    const victims = await createVictims(options, links, target);
    for (const victim of Object.values(victims)) owned.push(() => victim.kill());
    const files = {
      ledgerFile: ledgerFileIn(directory),
      objectDirectory: join(directory, 's3', BUCKET, PREFIX),
    };
    return { nats, s3, links, ...victims, target, spool, uploads, observer, ...files, close };
  } catch (error) {
    await close();
    throw error;
  }
}

const ledgerFileIn = (directory: string): string => join(directory, 'ledger.ndjson');

/** Makes the streams first, so that the consumer can have an ack_wait of its own: the archiver leaves what it finds. */
async function observe(nats: NatsServer, ackWaitMs: number): Promise<NatsConnection> {
  const observer = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  const manager = await observer.jetstreamManager();
  const consumer = { ...archiverConsumer(), ack_wait: ackWaitMs * 1_000_000 };
  await ensureTopology(manager, { replicas: 1, onMismatch: () => {} });
  await manager.consumers.delete(STREAM_EVENTS, consumer.durable_name ?? '');
  await manager.consumers.add(STREAM_EVENTS, consumer);
  return observer;
}

async function createVictims(
  { directory, hurried, callers }: ChaosStackOptions,
  links: ChaosStack['links'],
  target: string,
): Promise<{ service: Victim; archiver: Victim; callers: Victim }> {
  const common = { S3_BUCKET: BUCKET, S3_PREFIX: PREFIX, ADMIN_LISTEN: '127.0.0.1:0' };
  const service = createVictim({
    name: 'service',
    entry: 'test/_support/sized-service.js',
    environment: {
      ...common,
      GRPC_LISTEN: target,
      NATS_URL: `nats://127.0.0.1:${links['service-nats'].port}`,
      SPOOL_DIR: join(directory, 'spool', 'files'),
      ENGINE_CONCURRENCY: '16',
    },
    logFile: join(directory, 'service.log'),
  });
  const archiver = createVictim({
    name: 'archiver',
    entry: hurried ? 'test/_support/hurried-archiver.js' : 'sidecar/main.js',
    environment: {
      ...common,
      NATS_URL: `nats://127.0.0.1:${links['archiver-nats'].port}`,
      S3_ENDPOINT: `http://127.0.0.1:${links['archiver-s3'].port}`,
      S3_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    },
    logFile: join(directory, 'archiver.log'),
  });
  const caller = createVictim({
    name: 'callers',
    entry: 'test/chaos/callers.js',
    environment: {
      CHAOS_CALLERS: JSON.stringify({ ...callers, target, ledgerFile: ledgerFileIn(directory) }),
    },
    logFile: join(directory, 'callers.log'),
  });
  return { service, archiver, callers: caller };
}

/** A port that was free a moment ago: a restarted service must come back on the one its callers know. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  return port;
}
