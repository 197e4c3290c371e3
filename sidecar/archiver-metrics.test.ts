/** A script of events against a real nats-server and a strict S3; then /metrics must say what was done. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type LocalS3, startLocalS3 } from '../deploy/dev/local-s3/local-s3.ts';
import { ArchiveEvent, blobSubject, STREAM_BLOBS, STREAM_EVENTS } from '../proto/archive-event.ts';
import { createLogger } from '../services/runtime/logger.ts';
import {
  type ArchiveBench,
  messageCount,
  openArchiveBench,
  publishEvent,
  publishPayload,
  testEvent,
  testImage,
  until,
} from '../test/_support/archive-bench.ts';
import { type Exposition, scrape } from '../test/_support/exposition.ts';
import { natsServerBinaries } from '../test/_support/nats-binaries.ts';
import { type Archiver, startArchiver } from './archiver.ts';
import { readArchiverConfig } from './config.ts';
import { WATCHDOG_TIMINGS } from './jetstream/consumer-watchdog.ts';

const KIB = 1024;
const CREDENTIALS = { accessKeyId: 'sekai-test', secretAccessKey: 'sekai-test-secret' };
const FAILED = 'Internal S3: Failed to upload ';

let bench: ArchiveBench;
let s3: LocalS3;
let directory: string;
let lines: Record<string, unknown>[];
const running = new Set<Archiver>();

beforeEach(async () => {
  lines = [];
  directory = await mkdtemp(join(tmpdir(), 'sekai-archiver-metrics-'));
  bench = await openArchiveBench(natsServerBinaries()[0]?.binary ?? '');
  s3 = await startLocalS3({
    directory,
    credentials: [CREDENTIALS],
    region: 'us-east-1',
    buckets: [{ name: 'customers-sekai-background-image-gen' }],
  });
});
afterEach(async () => {
  await Promise.all([...running].map((archiver) => archiver.stop()));
  running.clear();
  await s3.stop();
  await bench.close();
  await rm(directory, { recursive: true, force: true });
});

async function start(natsUrl = bench.server.url): Promise<Archiver> {
  const config = readArchiverConfig({
    NATS_URL: natsUrl,
    ADMIN_LISTEN: '127.0.0.1:0',
    S3_ENDPOINT: s3.endpoint,
    S3_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    // One worker: no event meets an open breaker, and every count is certain.
    ARCHIVER_CONCURRENCY: '1',
  });
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const archiver = await startArchiver(config, {
    logger: createLogger('test', 'debug', { write }),
    backoff: { baseMs: 50, maxMs: 200 },
    watchdog: { ...WATCHDOG_TIMINGS, pollMs: 100 },
  });
  running.add(archiver);
  return archiver;
}

const logged = (text: string): number => lines.filter(({ msg }) => String(msg).startsWith(text)).length;

/** What the archiver says as soon as `check` holds. */
const scrapeUntil = (archiver: Archiver, check: (exposition: Exposition) => void): Promise<Exposition> =>
  vi.waitFor(
    async () => {
      const exposition = await scrape(archiver.adminPort);
      check(exposition);
      return exposition;
    },
    { timeout: 15_000 },
  );

const pairs = (exposition: Exposition): Record<string, number> =>
  exposition.by('sekai_archiver_pairs_total', 'result');

test('uploads, a duplicate, retries, dead letters and a newer event are counted exactly', async () => {
  const startSeconds = Date.now() / 1_000;
  const archiver = await start();
  expect(await archiver.ready).toBe(true);

  // Uploads: one inline, one in chunks.
  const [small, large] = [testImage(20 * KIB), testImage(600 * KIB)];
  const events = [testEvent(small), testEvent(large, { chunkBytes: 256 * KIB })];
  await publishEvent(bench.connection, events[0] ?? testEvent(small), small);
  await publishEvent(bench.connection, events[1] ?? testEvent(large), large);
  await scrapeUntil(archiver, (it) => expect(pairs(it)).toEqual({ uploaded: 2 }));
  // A duplicate.
  await publishEvent(bench.connection, testEvent(small), small);
  await scrapeUntil(archiver, (it) => expect(pairs(it)).toEqual({ uploaded: 2, duplicate: 1 }));
  // Dead letters.
  await publishEvent(bench.connection, { ...testEvent(small), imageHash: 'a'.repeat(64) }, small);
  await publishPayload(bench.connection, 'b'.repeat(64), Buffer.from([0xff]));
  // An event that only a newer archiver understands.
  const newer = ArchiveEvent.encode({ ...ArchiveEvent.decode(new Uint8Array()), schemaVersion: 99 }).finish();
  await publishPayload(bench.connection, 'c'.repeat(64), newer);
  await scrapeUntil(archiver, (it) => {
    expect(it.by('sekai_archiver_dead_letters_total', 'reason')).toEqual({
      HASH_MISMATCH: 1,
      UNDECODABLE: 1,
    });
    expect(it.by('sekai_archiver_retries_total', 'class')).toEqual({ newer_schema: 1 });
  });
  // One refusal by the bucket, and the same event again. It was handed over 100 s ago.
  s3.faults.inject({ kind: 'answer', status: 403, code: 'AccessDenied' }, { method: 'POST' });
  const late = testImage(KIB);
  const lateEvent = testEvent(late, { createTime: new Date(Date.now() - 100_000) });
  await publishEvent(bench.connection, lateEvent, late);

  const after = await scrapeUntil(archiver, (it) => {
    expect(pairs(it)).toEqual({ uploaded: 3, duplicate: 1 });
    expect(it.value('sekai_archiver_in_flight')).toBe(0);
    // Stream and consumer are asked one after the other: one look may see an event here and no longer there.
    expect(it.value('sekai_archiver_queue_ack_pending')).toBe(1);
    expect(it.value('sekai_archiver_queue_events')).toBe(1);
    expect(it.value('sekai_archiver_queue_pending')).toBe(0);
  });
  expect(after.by('sekai_archiver_retries_total', 'class')).toEqual({ newer_schema: 1, target: 1 });
  expect(after.by('sekai_archiver_target_faults_total', 'kind')).toEqual({ permission: 1 });
  expect(logged(FAILED)).toBe(3);
  const bodies = [small, large, late].reduce((sum, { bytes }) => sum + bytes.length, 0);
  const records = [...events, lateEvent].reduce((sum, { inputRecord }) => sum + inputRecord.length, 0);
  expect(after.value('sekai_archiver_uploaded_bytes_total')).toBe(bodies + records);
  expect(after.value('sekai_archiver_upload_seconds_count')).toBe(6);
  expect(after.value('sekai_archiver_lag_seconds_count')).toBe(4);
  const lag = (le: string): number => after.value('sekai_archiver_lag_seconds_bucket', { le });
  expect([lag('60'), lag('300')]).toEqual([3, 4]);
  expect(after.value('sekai_archiver_last_success_timestamp_seconds')).toBeGreaterThanOrEqual(startSeconds);
  expect(after.value('sekai_archiver_last_success_timestamp_seconds')).toBeLessThanOrEqual(
    Date.now() / 1_000,
  );
  expect(after.value('sekai_archiver_queue_seen_timestamp_seconds')).toBeGreaterThanOrEqual(startSeconds);
  expect(after.value('sekai_archiver_bytes_in_flight')).toBe(0);
  expect(after.value('sekai_archiver_breaker_open')).toBe(0);
  expect(after.value('sekai_archiver_nats_connected')).toBe(1);
  expect(after.value('sekai_archiver_consumer_rebuilt_total')).toBe(0);
}, 40_000);

test('while the bucket is faulty the breaker is seen open, and every attempt is a fault and a retry', async () => {
  const archiver = await start();
  expect(await archiver.ready).toBe(true);
  s3.setCredentials([]);
  const image = testImage(KIB);
  await publishEvent(bench.connection, testEvent(image), image);
  await scrapeUntil(archiver, (it) => {
    expect(it.value('sekai_archiver_breaker_open')).toBe(1);
    expect(it.value('sekai_archiver_retries_total', { class: 'target' })).toBeGreaterThanOrEqual(2);
  });
  s3.setCredentials([CREDENTIALS]);
  const after = await scrapeUntil(archiver, (it) => {
    expect(pairs(it)).toEqual({ uploaded: 1 });
    expect(it.value('sekai_archiver_breaker_open')).toBe(0);
  });
  const faults = logged(FAILED);
  expect(faults).toBeGreaterThanOrEqual(2);
  expect(after.by('sekai_archiver_retries_total', 'class')).toEqual({ target: faults });
  expect(after.by('sekai_archiver_target_faults_total', 'kind')).toEqual({ credentials: faults });
}, 40_000);

test('chunks that are left over of archived images are counted when they are purged', async () => {
  const first = await start();
  const image = testImage(600 * KIB);
  const event = testEvent(image, { chunkBytes: 256 * KIB });
  await publishEvent(bench.connection, event, image);
  await scrapeUntil(first, (it) => expect(pairs(it)).toEqual({ uploaded: 1 }));
  await until('queue empty', async () => (await messageCount(bench.jsm, STREAM_EVENTS)) === 0);
  await first.stop();
  const js = bench.connection.jetstream();
  for (const index of [0, 1])
    await js.publish(blobSubject(image.hash, event.handoffId, index), image.bytes.subarray(0, 9));
  const second = await start();
  await scrapeUntil(second, (it) => expect(it.value('sekai_archiver_orphaned_images_purged_total')).toBe(1));
  expect(await messageCount(bench.jsm, STREAM_BLOBS)).toBe(0);
}, 40_000);

test('an archiver that has not reached NATS says so, and every series is there and says 0', async () => {
  const archiver = await start('nats://127.0.0.1:9');
  const exposition = await scrape(archiver.adminPort);
  for (const name of ['nats_connected', 'breaker_open', 'in_flight', 'last_success_timestamp_seconds']) {
    expect(exposition.value(`sekai_archiver_${name}`)).toBe(0);
  }
  expect(exposition.value('sekai_archiver_pairs_total', { result: 'uploaded' })).toBe(0);
  expect(exposition.value('sekai_archiver_dead_letters_total', { reason: 'HASH_MISMATCH' })).toBe(0);
  expect(exposition.value('sekai_archiver_retries_total', { class: 'breaker_open' })).toBe(0);
});
