import { startAdminServer } from '../services/runtime/admin-server.ts';
import type { BackoffOptions } from '../services/runtime/backoff.ts';
import type { Running } from '../services/runtime/lifecycle.ts';
import { createLogger, type Logger } from '../services/runtime/logger.ts';
import { openTracing } from '../services/runtime/tracing/open-tracing.ts';
import type { Tracing } from '../services/runtime/tracing/tracing.ts';
import { type ArchiveLoop, startArchiveLoop } from './archive-loop.ts';
import { createArchivePair } from './archive-pair.ts';
import { type ArchiverMetrics, createArchiverMetrics } from './archiver-metrics.ts';
import { createAttempts } from './attempts.ts';
import { createBreaker } from './breaker.ts';
import { createByteBudget } from '../services/runtime/byte-budget.ts';
import type { ArchiverConfig } from './config.ts';
import { createGiveDownloadLink, type LinkSigner } from './download-link.ts';
import { type ArchiveQueue, openArchiveQueue } from './jetstream/archive-queue.ts';
import type { LinkResponder } from './jetstream/link-responder.ts';
import type { WatchdogTimings } from './jetstream/consumer-watchdog.ts';
import type { ObjectStore } from './object-store.ts';
import { resolveCredentialProvider } from './s3/credentials/resolve-credential-provider.ts';
import { createS3ObjectStore } from './s3/s3-object-store.ts';
import { createSettleEvent } from './settle-event.ts';
import { createUploadSlots } from './upload-slots.ts';

/** An archiver that runs, or waits for NATS. */
export interface Archiver extends Running {
  readonly adminPort: number;
  /** Resolves once events are being taken, or false when it stopped or failed before. */
  readonly ready: Promise<boolean>;
  /** Resolves with the reason when the archiver can never work, such as a NATS server with too small a `max_payload`. */
  readonly failed: Promise<Error>;
}

/** Parts to replace, in tests and embeddings. */
export interface ArchiverOverrides {
  /** Not closed by the archiver. */
  readonly objectStore?: ObjectStore;
  /** With an {@link objectStore} of the caller's; without it no download links are given. */
  readonly linkSigner?: LinkSigner;
  readonly logger?: Logger;
  /** Delays between attempts, also the breaker's. */
  readonly backoff?: BackoffOptions;
  /** How long `stop` lets uploads in hand finish, ms. */
  readonly softStopMs?: number;
  readonly watchdog?: WatchdogTimings;
}

/** Longest soft stop, ms: with the closing of connections it must stay below Kubernetes' 30 s of grace. */
const SOFT_STOP_MS = 20_000;
/** Nothing is in flight by then; idle sockets only. */
const S3_CLOSE_MS = 1_000;
/** For the last traces; a collector that does not answer must not hold up the stop. */
const TRACES_CLOSE_MS = 2_000;
const BACKOFF: BackoffOptions = { baseMs: 1_000, maxMs: 60_000 };
/**
 * Events held beside those being uploaded: while those wait for the bucket, these are looked up in index and bucket,
 * and duplicates among them seen off. One less than uploads, so that one at a time stays one at a time, and
 * `max_ack_pending` has room for twice the uploads; no more than this, as what all pulls ask for must stay below the
 * 64 MB that nats-server keeps for a client.
 */
const MOST_LOOKED_UP_AHEAD = 32;
/** A third of the consumer's `ack_wait`. */
const HEARTBEAT_MS = 10_000;

/**
 * The composition root. Returns once the admin server listens; NATS is waited for in the background.
 * @throws {ConfigError} when there are no S3 credentials to be found.
 */
export async function startArchiver(
  config: ArchiverConfig,
  overrides: ArchiverOverrides = {},
): Promise<Archiver> {
  const log = overrides.logger ?? createLogger('sekai-archiver', config.logLevel);
  const metrics = createArchiverMetrics();
  const { closeObjectStore, ...bucket } = openObjectStore(config, overrides, log);
  const tracing = await openTracing(config.tracing, log);
  const work: Work = { config, overrides, log, metrics, tracing, ...bucket };
  const admin = await startAdminServer(config.adminListen, () => readiness(work.queue), metrics.registry);
  log.info({ adminPort: admin.port }, 'Archive: health and metrics are served');
  const starting = new AbortController();
  const started = start(work, starting.signal);
  const failed = new Promise<Error>((resolve) => {
    const fail = (error: Error): void => {
      if (!starting.signal.aborted) resolve(error);
    };
    started.then(() => work.queue?.lost.then(fail)).catch(fail);
  });
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    starting.abort(new Error('archiver stops'));
    await started.catch(() => {});
    await work.links?.stop();
    await work.loop?.stop(overrides.softStopMs ?? SOFT_STOP_MS);
    await work.queue?.close();
    await closeObjectStore();
    await admin.close();
    await tracing.close(TRACES_CLOSE_MS);
    log.info('Archive: stopped');
  };
  return {
    adminPort: admin.port,
    ready: started.then(
      () => true,
      () => false,
    ),
    failed,
    stop: () => (stopped ??= stop()),
  };
}

function openObjectStore(
  { s3: config, awsEnvironment }: ArchiverConfig,
  { objectStore, linkSigner }: ArchiverOverrides,
  logger: Logger,
): Pick<Work, 'objectStore' | 'linkSigner'> & { closeObjectStore: () => Promise<void> } {
  if (objectStore !== undefined) return { objectStore, linkSigner, closeObjectStore: async () => {} };
  const credentials = resolveCredentialProvider(awsEnvironment, { region: config.region, logger });
  const s3 = createS3ObjectStore({ config, credentials, logger });
  return { objectStore: s3, linkSigner: s3.reader, closeObjectStore: () => s3.close(S3_CLOSE_MS) };
}

/** What the start has at hand, and what it leaves for the stop. */
interface Work {
  readonly config: ArchiverConfig;
  readonly overrides: ArchiverOverrides;
  readonly log: Logger;
  readonly metrics: ArchiverMetrics;
  readonly tracing: Tracing;
  readonly objectStore: ObjectStore;
  readonly linkSigner: LinkSigner | undefined;
  links?: LinkResponder | undefined;
  queue?: ArchiveQueue;
  loop?: ArchiveLoop;
}

async function start(work: Work, signal: AbortSignal): Promise<void> {
  const { config, overrides, log, metrics } = work;
  const queue = await openArchiveQueue(
    {
      access: config.nats,
      replicas: config.natsReplicas,
      log,
      metrics,
      ...(overrides.watchdog ? { watchdog: overrides.watchdog } : {}),
    },
    signal,
  );
  work.queue = queue;
  signal.throwIfAborted();
  work.loop = startLoop(work, queue);
  work.links = answerLinks(work, queue);
  log.info({ bucket: config.s3.bucket, prefix: config.s3.prefix }, 'Archive: taking events');
}

function answerLinks(work: Work, queue: ArchiveQueue): LinkResponder | undefined {
  const { config, objectStore, linkSigner: signer, log, metrics } = work;
  if (signer === undefined) return undefined;
  const target = { bucket: config.s3.bucket, prefix: config.s3.prefix };
  const defaultSeconds = config.downloadLinkSeconds;
  const { index } = queue;
  const give = createGiveDownloadLink({ index, objectStore, signer, target, defaultSeconds });
  return queue.answerLinks({ give, log, answered: metrics.linkAnswered });
}

function startLoop(
  { config, overrides, log, metrics, tracing, objectStore }: Work,
  queue: ArchiveQueue,
): ArchiveLoop {
  const { source, chunks, index, deadLetters } = queue;
  const { headBeforeUpload, concurrency } = config;
  const target = { bucket: config.s3.bucket, prefix: config.s3.prefix };
  const backoff = overrides.backoff ?? BACKOFF;
  const budget = createByteBudget(config.maxBytesInFlight);
  const slots = createUploadSlots(concurrency);
  const breaker = createBreaker(backoff);
  const settle = createSettleEvent({
    archivePair: createArchivePair({ objectStore, chunks, index, slots, budget, target, headBeforeUpload }),
    chunks,
    deadLetters,
    attempts: createAttempts(),
    target,
    backoff,
    heartbeatMs: HEARTBEAT_MS,
    log,
    metrics,
    tracing,
  });
  const held = concurrency + Math.min(concurrency - 1, MOST_LOOKED_UP_AHEAD);
  const loop = startArchiveLoop({ source, settle, breaker, held, log, metrics });
  metrics.observeHoldings({
    inFlight: () => loop.inFlight,
    bytesInFlight: () => budget.bytesInUse,
    breakerClosed: () => breaker.closed,
    natsConnected: () => queue.connected,
  });
  return loop;
}

/** Says whether events are being taken. A faulty bucket does not count: the events wait safely in the queue. */
function readiness(queue: ArchiveQueue | undefined): { ready: boolean; reason?: string } {
  if (queue === undefined) return { ready: false, reason: 'waiting for NATS' };
  return queue.connected ? { ready: true } : { ready: false, reason: 'connection to NATS is lost' };
}
