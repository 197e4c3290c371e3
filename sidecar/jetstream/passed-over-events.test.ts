import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CONSUMER_ARCHIVER, pairKeys, STREAM_BLOBS, STREAM_EVENTS } from '../../proto/archive-event.ts';
import { createLogger } from '../../services/runtime/logger.ts';
import {
  type ArchiveBench,
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
import type { ObjectStore } from '../object-store.ts';

/** Long enough for the watchdog of old servers never to be the one that cures. */
const WATCHDOG = { pollMs: 200, stalledAfterMs: 3e6, strandedAfterMs: 3e6, rebuildIntervalMs: 3e6 };

const archiverOf = (bench: ArchiveBench, objectStore: ObjectStore) =>
  startArchiver(readArchiverConfig({ NATS_URL: bench.server.url, ADMIN_LISTEN: '127.0.0.1:0' }), {
    objectStore,
    logger: createLogger('test', 'silent'),
    watchdog: WATCHDOG,
  });

/** Events in the stream, once the connection is back. */
async function eventCount({ connection }: ArchiveBench): Promise<number> {
  const jsm = await connection.jetstreamManager({ checkAPI: false, timeout: 300 });
  return messageCount(jsm, STREAM_EVENTS).catch(() => -1);
}

/** Runs `work`, then takes the server's stream of events back to what its disk held before, but not the consumer. */
async function losingDeletions(bench: ArchiveBench, work: () => Promise<void>): Promise<void> {
  const messages = join(bench.storeDirectory, 'jetstream', '$G', 'streams', STREAM_EVENTS, 'msgs');
  const copy = await mkdtemp(join(tmpdir(), 'sekai-before-'));
  await bench.server.kill('SIGTERM');
  await cp(messages, copy, { recursive: true });
  await bench.server.restart();
  await work();
  await bench.server.kill('SIGTERM');
  await rm(messages, { recursive: true });
  await cp(copy, messages, { recursive: true });
  await rm(copy, { recursive: true });
  await bench.server.restart();
}

describe.each(natsServerBinaries())('passed over by nats-server $version', ({ binary }) => {
  it('acknowledged events that are in the stream again are settled, and archived where they were not', async () => {
    const bench = await openArchiveBench(binary);
    const lost = createMemoryObjectStore();
    const image = testImage(3_000);
    const large = testImage(600_000);
    const chunked = testEvent(large, { chunkBytes: 256 * 1024 });
    await publishEvent(bench.connection, testEvent(image), image);
    await publishEvent(bench.connection, chunked, large);

    await losingDeletions(bench, async () => {
      const archiver = await archiverOf(bench, lost);
      await until('archived', async () => (await eventCount(bench)) === 0);
      await archiver.stop();
    });
    // One image is archived, of the other nothing is known any more.
    await until('there again', async () => (await eventCount(bench)) === 2);
    const kv = await bench.connection.jetstream().views.kv('sekai-archived', { bindOnly: true });
    await kv.purge(image.hash);
    const { num_pending: pending, num_ack_pending: ackPending } = await bench.jsm.consumers.info(
      STREAM_EVENTS,
      CONSUMER_ARCHIVER,
    );
    expect(pending + ackPending, 'the server would deliver it itself').toBe(0);

    const store = createMemoryObjectStore();
    const archiver = await archiverOf(bench, store);
    await until('settled', async () => (await eventCount(bench)) === 0, 18_000);
    const { prefix } = readArchiverConfig({}).s3;
    expect([...store.objects.keys()].toSorted()).toEqual(
      Object.values(pairKeys(prefix, image.hash)).toSorted(),
    );
    expect((await kv.get(image.hash))?.operation).toBe('PUT');
    expect(await messageCount(bench.jsm, STREAM_BLOBS)).toBe(0);
    await archiver.stop();
    await bench.close();
  }, 60_000);
});
