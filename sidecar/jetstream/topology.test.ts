import type { StreamConfig } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  blobSubject,
  deadBlobSubject,
  deadEventSubject,
  eventSubject,
  KV_ARCHIVED,
  STREAM_BLOBS,
  STREAM_DEAD,
  STREAM_EVENTS,
} from '../../proto/archive-event.ts';
import { type ArchiveBench, openArchiveBench } from '../../test/_support/archive-bench.ts';
import { natsServerBinaries } from '../../test/_support/nats-binaries.ts';
import { openArchivedBucket } from './jetstream-archive-index.ts';
import { takeRebuildLease } from './rebuild-lease.ts';
import { archiveStreams, ensureTopology } from './topology.ts';

describe.each(natsServerBinaries())('streams as data on nats-server $version', ({ binary }) => {
  let bench: ArchiveBench;
  beforeAll(async () => {
    bench = await openArchiveBench(binary);
  });
  afterAll(() => bench.close());

  const mismatches = async (): Promise<string[]> => {
    const found: string[] = [];
    const onMismatch = (name: string, differences: readonly string[]): void =>
      void found.push(`${name}: ${differences.join('; ')}`);
    await ensureTopology(bench.jsm, { replicas: 1, onMismatch });
    return found;
  };

  it('finds nothing to say about what it created itself', async () => {
    expect(await mismatches()).toEqual([]);
  });

  it.each([
    [STREAM_EVENTS, eventSubject('a'.repeat(64))],
    [STREAM_BLOBS, blobSubject('a'.repeat(64), 'handoff', 0)],
    [STREAM_DEAD, deadEventSubject('a'.repeat(64), 'handoff')],
    [STREAM_DEAD, deadBlobSubject('a'.repeat(64), 'handoff', 3)],
  ])('stores the subjects of the contract in %s', async (stream, subject) => {
    const ack = await bench.connection.jetstream().publish(subject, 'x');
    expect(ack.stream).toBe(stream);
    await bench.jsm.streams.purge(stream);
  });

  it('makes a bucket that a KV client can use', async () => {
    const bucket = await openArchivedBucket(bench.connection);
    expect((await bucket.status()).bucket).toBe(KV_ARCHIVED);
    await bucket.put('key', 'value');
    expect((await bucket.get('key'))?.string()).toBe('value');
    await bucket.purge('key');
  });

  it('gives the leave to rebuild the consumer to one of many, once in five minutes', async () => {
    const bucket = await openArchivedBucket(bench.connection);
    const now = Date.now();
    const taken = await Promise.all(Array.from({ length: 8 }, () => takeRebuildLease(bucket, 60_000, now)));
    expect(taken.filter(Boolean)).toHaveLength(1);
    expect(await takeRebuildLease(bucket, 60_000, now + 59_999)).toBe(false);
    expect(await takeRebuildLease(bucket, 60_000, now + 60_000)).toBe(true);
  });

  it('reports what an operator changed and leaves it as it is', async () => {
    const wanted = archiveStreams(1).find(({ name }) => name === STREAM_EVENTS) as StreamConfig;
    await bench.jsm.streams.update(STREAM_EVENTS, { ...wanted, max_bytes: 1_000_000 });
    await bench.jsm.consumers.update(STREAM_EVENTS, 'archiver', { max_ack_pending: 7 });
    expect(await mismatches()).toEqual([
      expect.stringMatching(/^SEKAI_ARCHIVE: max_bytes: is 1000000/),
      expect.stringMatching(/^consumer archiver: max_ack_pending: is 7/),
    ]);
    expect((await bench.jsm.streams.info(STREAM_EVENTS)).config.max_bytes).toBe(1_000_000);
  });

  it('creates again what was deleted', async () => {
    await bench.jsm.streams.delete(STREAM_DEAD);
    await bench.jsm.consumers.delete(STREAM_EVENTS, 'archiver');
    await mismatches();
    expect((await bench.jsm.streams.info(STREAM_DEAD)).config.discard).toBe('new');
    expect((await bench.jsm.consumers.info(STREAM_EVENTS, 'archiver')).config.max_deliver).toBe(-1);
  });
});
