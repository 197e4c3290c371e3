import { expect, it } from 'vitest';
import { createLogger } from '../services/runtime/logger.ts';
import {
  openArchiveBench,
  publishEvent,
  testEvent,
  testImage,
  until,
} from '../test/_support/archive-bench.ts';
import { createMemoryObjectStore } from '../test/_support/memory-object-store.ts';
import { natsServerBinaries } from '../test/_support/nats-binaries.ts';
import { startArchiver } from './archiver.ts';
import { readArchiverConfig } from './config.ts';
import { TargetFault } from './object-store.ts';

it('does not blame a missing s3:ListBucket while uploads are refused as well', async () => {
  const bench = await openArchiveBench(natsServerBinaries()[0]?.binary ?? '');
  const objectStore = createMemoryObjectStore();
  objectStore.beforeExists = () => 'unknown';
  let refuse = true;
  objectStore.beforePut = () => {
    if (refuse) throw new TargetFault('credentials', 'refused', 'check AWS_SECRET_ACCESS_KEY');
  };
  const lines: string[] = [];
  const logger = createLogger('test', 'debug', { write: (line) => void lines.push(line) });
  const logged = (text: string): number => lines.filter((line) => line.includes(text)).length;
  const archiver = await startArchiver(
    readArchiverConfig({ NATS_URL: bench.server.url, ADMIN_LISTEN: '127.0.0.1:0' }),
    { objectStore, logger, backoff: { baseMs: 100, maxMs: 400 } },
  );
  const image = testImage(1_000);
  await publishEvent(bench.connection, testEvent(image), image);
  await until('refused twice', () => logged('check AWS_SECRET_ACCESS_KEY') >= 2);
  expect(logged('grant s3:ListBucket')).toBe(0);
  refuse = false;
  await until('warned', () => logged('grant s3:ListBucket') === 1);
  expect(objectStore.objects.size).toBe(2);
  await archiver.stop();
  await bench.close();
});
