import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  ArchivedPair,
  ArchiveEvent,
  deadBlobSubject,
  deadEventSubject,
  HEADER_DEAD_REASON,
  KV_ARCHIVED,
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
  testEvent,
  testImage,
  until,
} from '../test/_support/archive-bench.ts';
import { createMemoryObjectStore, type MemoryObjectStore } from '../test/_support/memory-object-store.ts';
import { natsServerBinaries } from '../test/_support/nats-binaries.ts';
import { type Archiver, startArchiver } from './archiver.ts';
import { type ArchiverConfig, readArchiverConfig } from './config.ts';
import { TargetFault } from './object-store.ts';
import { WATCHDOG_TIMINGS } from './jetstream/consumer-watchdog.ts';

const PREFIX = 'customers/sekai/background-image-gen/';
const KIB = 1024;

describe.each(natsServerBinaries())('archiver on nats-server $version', ({ binary }) => {
  let bench: ArchiveBench;
  let store: MemoryObjectStore;
  let lines: string[];
  const running = new Set<Archiver>();

  const config = (more: Partial<ArchiverConfig> = {}): ArchiverConfig => ({
    ...readArchiverConfig({ NATS_URL: bench.server.url, ADMIN_LISTEN: '127.0.0.1:0' }),
    ...more,
  });
  const start = async (more: Partial<ArchiverConfig> = {}, softStopMs = 5_000): Promise<Archiver> => {
    const logger = createLogger('test', 'debug', { write: (line: string) => void lines.push(line) });
    const backoff = { baseMs: 100, maxMs: 400 };
    const watchdog = { ...WATCHDOG_TIMINGS, pollMs: 250, stalledAfterMs: 2_000, strandedAfterMs: 4_000 };
    const overrides = { objectStore: store, logger, backoff, softStopMs, watchdog };
    const archiver = await startArchiver(config(more), overrides);
    running.add(archiver);
    expect(await archiver.ready).toBe(true);
    return archiver;
  };
  const queueEmpty = (): Promise<void> =>
    until('queue empty', async () => (await messageCount(bench.jsm, STREAM_EVENTS)) === 0);
  const stored = (hash: string): Promise<void> =>
    until('pair stored', () => store.objects.has(pairKeys(PREFIX, hash).record));
  const logged = (text: string): number => lines.filter((line) => line.includes(text)).length;

  beforeAll(async () => {
    bench = await openArchiveBench(binary);
  });
  afterAll(() => bench.close());
  beforeEach(() => {
    store = createMemoryObjectStore();
    lines = [];
  });
  afterEach(async () => {
    await Promise.all([...running].map((archiver) => archiver.stop()));
    running.clear();
    await bench.empty();
  });

  it('archives an inline event as a pair, image first, and indexes it', async () => {
    const image = testImage(20 * KIB);
    const event = testEvent(image);
    await publishEvent(bench.connection, event, image);
    await start();
    await queueEmpty();
    const keys = pairKeys(PREFIX, image.hash);
    expect(store.puts).toEqual([keys.image, keys.record]);
    const object = store.objects.get(keys.image);
    expect(object?.contentType).toBe('image/jpeg');
    expect(object?.metadata).toEqual({ 'request-id': event.requestId });
    expect(Buffer.from(object?.sha256 ?? []).toString('hex')).toBe(image.hash);
    expect(Buffer.compare(object?.body ?? Buffer.alloc(0), image.bytes)).toBe(0);
    expect(store.objects.get(keys.record)?.contentType).toBe('application/json');
    const kv = await bench.connection.jetstream().views.kv(KV_ARCHIVED, { bindOnly: true });
    const pair = ArchivedPair.decode((await kv.get(image.hash))?.value ?? new Uint8Array());
    expect(pair).toMatchObject({ key: keys.image, recordKey: keys.record, requestId: event.requestId });
    expect(logged(`Internal S3: Successfully uploaded ${keys.image}`)).toBe(1);
    expect(logged(`Internal S3: Successfully uploaded ${keys.record}`)).toBe(1);
  });

  it('archives a chunked event and purges its chunks', async () => {
    const image = testImage(700 * KIB);
    await publishEvent(bench.connection, testEvent(image, { chunkBytes: 256 * KIB }), image);
    expect(await messageCount(bench.jsm, STREAM_BLOBS)).toBe(3);
    await start();
    await queueEmpty();
    const body = store.objects.get(pairKeys(PREFIX, image.hash).image)?.body ?? Buffer.alloc(0);
    expect(Buffer.compare(body, image.bytes)).toBe(0);
    await until('chunks purged', async () => (await messageCount(bench.jsm, STREAM_BLOBS)) === 0);
  });

  it('uploads a hash once, however often it is handed over', async () => {
    const image = testImage(600 * KIB);
    await start();
    for (let round = 1; round <= 3; round += 1) {
      await publishEvent(bench.connection, testEvent(image, { chunkBytes: 256 * KIB }), image);
      await queueEmpty();
    }
    expect(store.puts).toHaveLength(2);
    await until('chunks purged', async () => (await messageCount(bench.jsm, STREAM_BLOBS)) === 0);
    // The line comes after the acknowledgement.
    await until('said', () => logged(`Internal S3: Already archived ${image.hash}`) === 2);
  });

  it('finds a pair in the bucket that the index has forgotten, and indexes it', async () => {
    const image = testImage(KIB);
    await start();
    await publishEvent(bench.connection, testEvent(image), image);
    await queueEmpty();
    const kv = await bench.connection.jetstream().views.kv(KV_ARCHIVED, { bindOnly: true });
    await kv.purge(image.hash);
    await publishEvent(bench.connection, testEvent(image), image);
    await queueEmpty();
    expect(store.puts).toHaveLength(2);
    expect((await kv.get(image.hash))?.operation).toBe('PUT');
  });

  it('uploads when the bucket will not say what exists, and warns once', async () => {
    store.beforeExists = () => 'unknown';
    await start();
    for (const image of [testImage(KIB), testImage(KIB)]) {
      await publishEvent(bench.connection, testEvent(image), image);
    }
    await queueEmpty();
    expect(store.puts).toHaveLength(4);
    expect(logged('grant s3:ListBucket')).toBe(1);
  });

  const dead = async (hash: string, handoffId: string) =>
    bench.jsm.streams.getMessage(STREAM_DEAD, { last_by_subj: deadEventSubject(hash, handoffId) });

  it('buries an event with the wrong hash, with its reason and its chunks', async () => {
    const image = testImage(600 * KIB);
    const other = { bytes: image.bytes, hash: testImage(1).hash };
    const event = testEvent(other, { chunkBytes: 256 * KIB });
    await start();
    await publishEvent(bench.connection, event, other);
    await queueEmpty();
    const letter = await dead(other.hash, event.handoffId);
    expect(letter.header.get(HEADER_DEAD_REASON)).toBe('HASH_MISMATCH');
    const chunk = await bench.jsm.streams.getMessage(STREAM_DEAD, {
      last_by_subj: deadBlobSubject(other.hash, event.handoffId, 2),
    });
    expect(Buffer.compare(chunk.data, image.bytes.subarray(512 * KIB))).toBe(0);
    expect(await messageCount(bench.jsm, STREAM_DEAD)).toBe(4);
    expect(store.puts).toEqual([]);
  });

  it('buries an event whose chunks are missing, unless its pair is in the bucket', async () => {
    const lost = testImage(600 * KIB);
    const event = testEvent(lost, { chunkBytes: 256 * KIB });
    await start();
    await publishEvent(bench.connection, event, lost, [1]);
    await queueEmpty();
    const letter = await dead(lost.hash, event.handoffId);
    expect(letter.header.get(HEADER_DEAD_REASON)).toBe('CHUNKS_MISSING');
    expect(ArchiveEvent.decode(letter.data).imageHash).toBe(lost.hash);
    expect(await messageCount(bench.jsm, STREAM_DEAD)).toBe(3);
  });

  it('buries an undecodable payload byte for byte', async () => {
    const { hash } = testImage(1);
    const messageId = randomUUID();
    await start();
    await publishPayload(bench.connection, hash, Buffer.from('not an event at all'), messageId);
    await queueEmpty();
    const letter = await dead(hash, messageId);
    expect(Buffer.from(letter.data).toString()).toBe('not an event at all');
    expect(letter.header.get(HEADER_DEAD_REASON)).toBe('UNDECODABLE');
  });

  it('buries an event under a subject of another hash', async () => {
    const image = testImage(KIB);
    const event = testEvent(image);
    const { hash } = testImage(2);
    await start();
    const payload = ArchiveEvent.encode({
      ...ArchiveEvent.decode(new Uint8Array()),
      schemaVersion: 1,
    }).finish();
    await publishPayload(bench.connection, hash, payload, event.handoffId);
    await queueEmpty();
    expect((await dead(hash, event.handoffId)).header.get(HEADER_DEAD_REASON)).toBe('INVALID_FIELD');
  });

  it('leaves an event of a newer version in the queue, with an alert', async () => {
    const { hash } = testImage(1);
    await start();
    const newer = ArchiveEvent.encode({
      ...ArchiveEvent.decode(new Uint8Array()),
      schemaVersion: 99,
    }).finish();
    await publishPayload(bench.connection, hash, newer);
    await until('alert', () => logged('"alert":true') === 1);
    expect(await messageCount(bench.jsm, STREAM_EVENTS)).toBe(1);
    expect(await messageCount(bench.jsm, STREAM_DEAD)).toBe(0);
  });

  it('keeps events through a fault of the bucket and archives them when it is back', async () => {
    const images = Array.from({ length: 12 }, () => testImage(KIB));
    let attempts = 0;
    store.beforePut = () => {
      attempts += 1;
      throw new TargetFault('credentials', 'the access key is not known', 'check the key');
    };
    const archiver = await start({ concurrency: 4 });
    for (const image of images) await publishEvent(bench.connection, testEvent(image), image);
    await until('several probes failed', () => attempts >= 7);
    expect(await messageCount(bench.jsm, STREAM_EVENTS)).toBe(12);
    expect(await messageCount(bench.jsm, STREAM_DEAD)).toBe(0);
    const metrics = await (await fetch(`http://127.0.0.1:${archiver.adminPort}/metrics`)).text();
    expect(metrics).toMatch(/sekai_archiver_breaker_open 1/);
    const errors = lines.filter((line) => line.includes('"level":"error"'));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain('Internal S3: Failed to upload ');
    expect(errors[0]).toContain('"cure":"check the key"');
    store.beforePut = () => {};
    await queueEmpty();
    expect(store.objects.size).toBe(24);
    expect(logged('Internal S3: uploads succeed again')).toBe(1);
  });

  it('goes on through a SIGKILL and restart of nats-server', async () => {
    const images = Array.from({ length: 20 }, () => testImage(300 * KIB));
    await start({ concurrency: 2 });
    for (const image of images) {
      await publishEvent(bench.connection, testEvent(image, { chunkBytes: 128 * KIB }), image);
      if (store.puts.length === 0) await stored(image.hash);
    }
    await bench.server.kill('SIGKILL');
    await bench.server.restart();
    await until('all archived', () => store.objects.size === 40, 45_000);
    // What was acknowledged while the server was away comes again after ack_wait, and is found archived; what an
    // old server strands, the watchdog frees.
    await until('queue empty', async () => (await messageCount(bench.jsm, STREAM_EVENTS)) === 0, 60_000);
    const bodies = images.map(({ hash }) => store.objects.get(pairKeys(PREFIX, hash).image)?.body);
    expect(bodies.every((body, i) => body && Buffer.compare(body, images[i]?.bytes ?? body) === 0)).toBe(
      true,
    );
    expect(await messageCount(bench.jsm, STREAM_DEAD)).toBe(0);
  }, 120_000);

  it('gives back what it holds when stopped, for the next archiver', async () => {
    const image = testImage(KIB);
    let hanging = false;
    store.beforePut = () => {
      hanging = true;
      return new Promise<never>(() => {});
    };
    const first = await start({}, 50);
    await publishEvent(bench.connection, testEvent(image), image);
    await until('put hangs', () => hanging);
    await Promise.all([first.stop(), first.stop()]);
    expect(store.objects.size).toBe(0);
    store.beforePut = () => {};
    await start();
    await queueEmpty();
    expect(store.objects.size).toBe(2);
  });

  it('finishes what it holds when there is time', async () => {
    const image = testImage(KIB);
    let release = (): void => {};
    const hanging = new Promise<void>((resolve) => {
      store.beforePut = () => {
        resolve();
        return new Promise((goOn) => (release = goOn));
      };
    });
    const archiver = await start();
    await publishEvent(bench.connection, testEvent(image), image);
    await hanging;
    const stopping = archiver.stop();
    store.beforePut = () => {};
    release();
    await stopping;
    expect(store.objects.size).toBe(2);
    expect(await messageCount(bench.jsm, STREAM_EVENTS)).toBe(0);
  });

  it('never has more pairs or bytes in hand than it may', async () => {
    const images = Array.from({ length: 16 }, () => testImage(400 * KIB));
    store.beforePut = () => new Promise((resolve) => setTimeout(resolve, 10));
    for (const image of images) await publishEvent(bench.connection, testEvent(image), image);
    await start({ concurrency: 3, maxBytesInFlight: 10 * KIB * KIB });
    await queueEmpty();
    expect(store.peak.puts).toBe(3);

    const more = Array.from({ length: 16 }, () => testImage(400 * KIB));
    store = createMemoryObjectStore();
    store.beforePut = () => new Promise((resolve) => setTimeout(resolve, 10));
    await Promise.all([...running].map((archiver) => archiver.stop()));
    for (const image of more) await publishEvent(bench.connection, testEvent(image), image);
    await start({ concurrency: 8, maxBytesInFlight: 1024 * KIB });
    await queueEmpty();
    expect(store.peak.bytes).toBeGreaterThan(400 * KIB);
    expect(store.peak.bytes).toBeLessThanOrEqual(1024 * KIB);
    expect(store.objects.size).toBe(32);
  });

  it('carries on after the consumer was deleted', async () => {
    await start();
    // 2.9 has been seen to delete a consumer and then to complain about its folder.
    await bench.jsm.consumers.delete(STREAM_EVENTS, 'archiver').catch(() => {});
    const image = testImage(KIB);
    await publishEvent(bench.connection, testEvent(image), image);
    await stored(image.hash);
    expect(store.objects.size).toBe(2);
  });
});
