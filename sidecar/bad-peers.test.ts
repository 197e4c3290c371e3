import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  ArchiveEvent,
  CONSUMER_ARCHIVER,
  HEADER_DEAD_REASON,
  isImageHash,
  pairKeys,
  STREAM_BLOBS,
  STREAM_DEAD,
  STREAM_EVENTS,
} from '../proto/archive-event.ts';
import { createLogger } from '../services/runtime/logger.ts';
import {
  type ArchiveBench,
  messageCount,
  openArchiveBench,
  publishEvent,
  publishPayload,
  type TestImage,
  testEvent,
  testImage,
  until,
} from '../test/_support/archive-bench.ts';
import { anyBadEvent, BAD_EVENT_KINDS, type BadEvent, publishBadEvent } from '../test/_support/bad-events.ts';
import { createMemoryObjectStore, type MemoryObjectStore } from '../test/_support/memory-object-store.ts';
import { natsServerBinaries } from '../test/_support/nats-binaries.ts';
import { type Archiver, startArchiver } from './archiver.ts';
import { readArchiverConfig } from './config.ts';

const MIB = 1024 * 1024;
const MAX_BYTES_IN_FLIGHT = 64 * MIB;
/** Above the budget: messages in hand, sockets' buffers, and what is not collected yet. */
const SLACK_BYTES = 64 * MIB;
const ROUNDS = 8;

describe.each(natsServerBinaries())('bad peers on nats-server $version', ({ binary }) => {
  let bench: ArchiveBench;
  let archiver: Archiver;
  let store: MemoryObjectStore;
  let lines: string[];

  beforeAll(async () => {
    bench = await openArchiveBench(binary);
    store = createMemoryObjectStore();
    lines = [];
    const config = readArchiverConfig({ NATS_URL: bench.server.url, ADMIN_LISTEN: '127.0.0.1:0' });
    archiver = await startArchiver(
      { ...config, maxBytesInFlight: MAX_BYTES_IN_FLIGHT },
      {
        objectStore: store,
        logger: createLogger('test', 'debug', { write: (line: string) => void lines.push(line) }),
      },
    );
    await archiver.ready;
  });
  afterEach(() => bench.empty());
  afterAll(async () => {
    await archiver.stop();
    await bench.close();
  });

  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${archiver.adminPort}/metrics`)).text();
    return [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (.+)$`, 'gm'))].reduce(
      (sum, [, value]) => sum + Number(value),
      0,
    );
  };
  const deliveries = async (): Promise<number> =>
    (await bench.jsm.consumers.info(STREAM_EVENTS, CONSUMER_ARCHIVER)).delivered.consumer_seq;

  async function reasonsByPayload(): Promise<string[]> {
    const { state } = await bench.jsm.streams.info(STREAM_DEAD, {
      subjects_filter: 'sekai.archive.dead.event.>',
    });
    const letters: string[] = [];
    for (const subject of Object.keys(state.subjects ?? {})) {
      const letter = await bench.jsm.streams.getMessage(STREAM_DEAD, { last_by_subj: subject });
      letters.push(`${letter.header.get(HEADER_DEAD_REASON)} ${digest(letter.data)}`);
    }
    return letters.toSorted();
  }
  const expectedLetters = (events: readonly BadEvent[]): string[] =>
    events.map(({ reason, payload }) => `${reason} ${digest(payload)}`).toSorted();

  it('end as dead letters with their reason, each after one attempt, while good events pass', async () => {
    const seen = new Set<string>();
    const total = { bad: 0, good: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(anyBadEvent(), { minLength: 10, maxLength: 30 }), async (generated) => {
        const events = withOwnSubjects(generated);
        const before = {
          deliveries: await deliveries(),
          buried: await metric('sekai_archiver_dead_letters_total'),
        };
        const good: TestImage[] = [];
        for (const [at, event] of events.entries()) {
          seen.add(event.kind);
          await publishBadEvent(bench.connection, event);
          if (at % 3 > 0) continue;
          const image = testImage(at % 2 === 0 ? 10_000 : 600_000);
          good.push(image);
          const chunked = at % 2 === 0 ? {} : { chunkBytes: 256 * 1024 };
          await publishEvent(bench.connection, testEvent(image, chunked), image);
        }
        await until('queue empty', async () => (await messageCount(bench.jsm, STREAM_EVENTS)) === 0, 20_000);
        expect(await reasonsByPayload()).toEqual(expectedLetters(events));
        for (const { hash, bytes } of good) {
          const body = store.objects.get(pairKeys('customers/sekai/background-image-gen/', hash).image)?.body;
          expect(Buffer.compare(body ?? Buffer.alloc(0), bytes)).toBe(0);
        }
        // Attempts counted twice: by the server, and by the archiver.
        expect((await deliveries()) - before.deliveries).toBe(events.length + good.length);
        expect(await metric('sekai_archiver_retries_total')).toBe(0);
        expect((await metric('sekai_archiver_dead_letters_total')) - before.buried).toBe(events.length);
        total.bad += events.length;
        total.good += good.length;
        for (const stream of [STREAM_DEAD, STREAM_BLOBS]) await bench.jsm.streams.purge(stream);
      }),
      // Each round is slow and its bytes are random: shrinking would not end.
      { numRuns: ROUNDS, endOnFailure: true },
    );
    expect([...seen].toSorted()).toEqual(BAD_EVENT_KINDS.toSorted());
    expect(store.puts).toHaveLength(2 * total.good);
    expect(lines.filter((line) => line.includes('connection lost'))).toEqual([]);
  }, 120_000);

  it('cannot make the archiver hold more memory than its budget', async () => {
    const baseline = process.memoryUsage().arrayBuffers;
    const peak = { arrayBuffers: 0, inFlight: 0 };
    const watch = setInterval(() => {
      peak.arrayBuffers = Math.max(peak.arrayBuffers, process.memoryUsage().arrayBuffers);
    }, 1);
    const huge = fc
      .sample(
        anyBadEvent().filter(({ kind }) => kind === 'huge image'),
        { numRuns: 30, seed: 1 },
      )
      .filter(({ reason }) => reason === 'CHUNKS_MISSING');
    expect(huge.length).toBeGreaterThan(8);
    for (const event of huge) await publishBadEvent(bench.connection, event);
    await until('queue empty', async () => (await messageCount(bench.jsm, STREAM_EVENTS)) === 0, 30_000);
    clearInterval(watch);
    expect(peak.arrayBuffers - baseline).toBeLessThan(MAX_BYTES_IN_FLIGHT + SLACK_BYTES);
    expect(await messageCount(bench.jsm, STREAM_DEAD)).toBe(huge.length);
  }, 60_000);

  it('of a newer version wait with one alert each, and hold up nobody', async () => {
    const newer = [2, 3, 2 ** 32 - 1].map((schemaVersion) => ({
      hash: testImage(1).hash,
      payload: ArchiveEvent.encode({ ...ArchiveEvent.decode(new Uint8Array()), schemaVersion }).finish(),
    }));
    // More than there are workers.
    const many = Array.from({ length: 8 }, () =>
      newer.map((event) => ({ ...event, hash: testImage(1).hash })),
    ).flat();
    for (const { hash, payload } of many) await publishPayload(bench.connection, hash, payload);
    const image = testImage(1_000);
    await publishEvent(bench.connection, testEvent(image), image);
    const stored = pairKeys('customers/sekai/background-image-gen/', image.hash).record;
    await until('good event archived', () => store.objects.has(stored));
    const alerts = (): number => lines.filter((line) => line.includes('"alert":true')).length;
    await until('alerts', () => alerts() === many.length);
    // The good event is stored a moment before it is acknowledged.
    await until('only they wait', async () => (await messageCount(bench.jsm, STREAM_EVENTS)) === many.length);
    expect(alerts()).toBe(many.length);
    expect(await messageCount(bench.jsm, STREAM_DEAD)).toBe(0);
  });
});

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Under a hash of its own each: of two events under one subject the second is a repetition. */
function withOwnSubjects(events: readonly BadEvent[]): BadEvent[] {
  const seen = new Set<string>();
  return events.filter(({ subjectHash }) => {
    if (!isImageHash(subjectHash) && seen.has(subjectHash)) return false;
    seen.add(subjectHash);
    return true;
  });
}
