import { expect, it } from 'vitest';
import { ArchivedPair, STREAM_BLOBS } from '../../proto/archive-event.ts';
import { createLogger } from '../../services/runtime/logger.ts';
import {
  messageCount,
  openArchiveBench,
  publishEvent,
  testEvent,
  testImage,
  until,
} from '../../test/_support/archive-bench.ts';
import { createMemoryObjectStore } from '../../test/_support/memory-object-store.ts';
import { natsServerBinaries } from '../../test/_support/nats-binaries.ts';
import { startArchiver } from '../archiver.ts';
import { readArchiverConfig } from '../config.ts';
import { WATCHDOG_TIMINGS } from './consumer-watchdog.ts';
import { createSweepClock, sweepOrphans } from './orphan-sweep.ts';

it('purges chunks of archived images that a killed server has brought back, and no others', async () => {
  const bench = await openArchiveBench(natsServerBinaries()[0]?.binary ?? '');
  const start = () =>
    startArchiver(readArchiverConfig({ NATS_URL: bench.server.url, ADMIN_LISTEN: '127.0.0.1:0' }), {
      objectStore: createMemoryObjectStore(),
      logger: createLogger('test', 'silent'),
      watchdog: { ...WATCHDOG_TIMINGS, pollMs: 100 },
    });
  const chunked = { chunkBytes: 256 * 1024 };
  const chunks = (): Promise<number> => messageCount(bench.jsm, STREAM_BLOBS);
  const archiver = await start();
  const image = testImage(600_000);
  const event = testEvent(image, chunked);
  await publishEvent(bench.connection, event, image);
  const js = bench.connection.jetstream();
  const kv = await js.views.kv('sekai-archived', { bindOnly: true });
  await until('archived', async () => (await kv.get(image.hash)) !== null && (await chunks()) === 0);

  const subject = (hash: string, index: number): string =>
    `sekai.archive.blob.${hash}.${event.handoffId}.${index}`;
  for (const index of [0, 1, 2]) await js.publish(subject(image.hash, index), image.bytes.subarray(0, 100));
  await js.publish(subject('a'.repeat(64), 0), image.bytes.subarray(0, 100));
  await bench.server.kill('SIGKILL');
  await bench.server.restart();
  await until('swept', async () => (await chunks().catch(() => -1)) === 1, 20_000);
  expect(
    (await bench.jsm.streams.getMessage(STREAM_BLOBS, { last_by_subj: subject('a'.repeat(64), 0) })).seq,
  ).toBeGreaterThan(0);
  await archiver.stop();
  await bench.close();
}, 40_000);

it('deletes one by one what a purge says it has purged and has not', async () => {
  const bench = await openArchiveBench(natsServerBinaries()[0]?.binary ?? '');
  const image = testImage(600_000);
  const event = testEvent(image, { chunkBytes: 256 * 1024 });
  await publishEvent(bench.connection, event, image);
  expect(await messageCount(bench.jsm, STREAM_BLOBS)).toBe(3);
  const purged: string[] = [];
  const parts = {
    jsm: bench.jsm,
    index: { get: async () => ArchivedPair.decode(new Uint8Array()) },
    chunks: { purge: async (hash: string) => void purged.push(hash) },
  };
  expect(await sweepOrphans(parts, new AbortController().signal)).toBe(1);
  expect(purged).toEqual([image.hash]);
  expect(await messageCount(bench.jsm, STREAM_BLOBS)).toBe(0);
  await bench.close();
}, 20_000);

it('sweeps at the start, after a restart of the server, and once in a while', () => {
  const isDue = createSweepClock(1_000);
  expect(isDue('A', 0)).toBe(true);
  expect(isDue('A', 999)).toBe(false);
  expect(isDue('B', 999)).toBe(true);
  expect(isDue('B', 1_500)).toBe(false);
  expect(isDue('B', 2_000)).toBe(true);
});
