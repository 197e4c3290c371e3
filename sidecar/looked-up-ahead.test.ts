import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { STREAM_EVENTS } from '../proto/archive-event.ts';
import { createLogger } from '../services/runtime/logger.ts';
import {
  type ArchiveBench,
  messageCount,
  openArchiveBench,
  publishEvent,
  testEvent,
  testImage,
  until,
} from '../test/_support/archive-bench.ts';
import { createMemoryObjectStore, type MemoryObjectStore } from '../test/_support/memory-object-store.ts';
import { natsServerBinaries } from '../test/_support/nats-binaries.ts';
import { type Archiver, startArchiver } from './archiver.ts';
import { readArchiverConfig } from './config.ts';
import { TargetFault } from './object-store.ts';

/** Events that are held while others are uploaded. */

let bench: ArchiveBench;
let store: MemoryObjectStore;
let archiver: Archiver | undefined;
/** Lets the uploads that stand still go on; or fail, with what is given. */
let goOn: ((fault?: Error) => void)[];

const start = async (concurrency: number): Promise<void> => {
  archiver = await startArchiver(
    { ...readArchiverConfig({ NATS_URL: bench.server.url, ADMIN_LISTEN: '127.0.0.1:0' }), concurrency },
    {
      objectStore: store,
      logger: createLogger('test', 'silent'),
      backoff: { baseMs: 300, maxMs: 400 },
      softStopMs: 5_000,
    },
  );
  expect(await archiver.ready).toBe(true);
};
const publish = async (count: number) => {
  const images = Array.from({ length: count }, () => testImage(1_000));
  for (const image of images) await publishEvent(bench.connection, testEvent(image), image);
  return images;
};
const queued = (count: number): Promise<void> =>
  until(`${count} queued`, async () => (await messageCount(bench.jsm, STREAM_EVENTS)) === count);
const metric = async (name: string): Promise<number> => {
  const text = await (await fetch(`http://127.0.0.1:${archiver?.adminPort}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1));
};
const inFlight = (): Promise<number> => metric('sekai_archiver_in_flight');

beforeAll(async () => {
  bench = await openArchiveBench(natsServerBinaries()[0]?.binary ?? '');
});
afterAll(() => bench.close());
beforeEach(async () => {
  await bench.jsm.streams.purge(STREAM_EVENTS);
  goOn = [];
  store = createMemoryObjectStore();
  store.beforePut = () =>
    new Promise((resolve, reject) => {
      goOn.push((fault) => (fault ? reject(fault) : resolve()));
    });
});
afterEach(async () => {
  store.beforePut = () => {};
  for (const each of goOn) each();
  await archiver?.stop();
});

it('sees duplicates off while uploads stand still, and holds one less than those beside them', async () => {
  const standStill = store.beforePut;
  store.beforePut = () => {};
  const known = await publish(5);
  await start(2);
  await queued(0);
  store.beforePut = standStill;
  await publish(2);
  await until('uploads stand still', () => goOn.length === 2);
  for (const image of known) await publishEvent(bench.connection, testEvent(image), image);
  await queued(2);
  await publish(4);
  await until('one waits', async () => (await inFlight()) === 3);
  expect(await messageCount(bench.jsm, STREAM_EVENTS)).toBe(6);
  expect(goOn).toHaveLength(2);
});

it('gives back untried what waits for its turn when the bucket proves faulty', async () => {
  await publish(3);
  await start(2);
  await until('uploads stand still', () => goOn.length === 2);
  await until('one waits', async () => (await inFlight()) === 3);
  const [one, other] = goOn.splice(0);
  one?.(new TargetFault('unavailable', 'S3 answered 503', 'wait'));
  const givenBack = 'sekai_archiver_retries_total{class="breaker_open"}';
  await until('given back', async () => (await metric(givenBack)) >= 1);
  expect(goOn).toHaveLength(0);
  store.beforePut = () => {};
  other?.();
  await queued(0);
  expect(store.objects.size).toBe(6);
});
