import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { pairKeys, STREAM_BLOBS, STREAM_EVENTS } from '../../proto/archive-event.ts';
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

const PREFIX = 'customers/sekai/background-image-gen/';

it.each(natsServerBinaries())(
  'makes the streams again when nats-server $version comes back without its disk, and archives on',
  async ({ binary }) => {
    const bench = await openArchiveBench(binary);
    const objectStore = createMemoryObjectStore();
    const archiver = await startArchiver(
      readArchiverConfig({ NATS_URL: bench.server.url, ADMIN_LISTEN: '127.0.0.1:0' }),
      { objectStore, logger: createLogger('test', 'silent') },
    );
    expect(await archiver.ready).toBe(true);
    await bench.server.kill('SIGKILL');
    await rm(join(dirname(bench.server.logFile), 'store'), { recursive: true });
    await bench.server.restart();
    const chunks = (): Promise<number> => messageCount(bench.jsm, STREAM_BLOBS).catch(() => -1);
    await until('the streams are back', async () => (await chunks()) === 0, 20_000);
    const image = testImage(600_000);
    await publishEvent(bench.connection, testEvent(image, { chunkBytes: 256 * 1024 }), image);
    await until('archived', () => objectStore.objects.has(pairKeys(PREFIX, image.hash).record), 20_000);
    await until('acknowledged', async () => (await messageCount(bench.jsm, STREAM_EVENTS)) === 0);
    await archiver.stop();
    await bench.close();
  },
  60_000,
);
