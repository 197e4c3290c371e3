import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  ArchivedPair,
  KV_ARCHIVED,
  pairKeys,
  STREAM_BLOBS,
  STREAM_DEAD,
  STREAM_EVENTS,
} from '../../proto/archive-event.ts';
import { createLogger } from '../../services/runtime/logger.ts';
import { publishEvent, testEvent, testImage, until } from '../../test/_support/archive-bench.ts';
import { createMemoryObjectStore } from '../../test/_support/memory-object-store.ts';
import { natsServerBinaries } from '../../test/_support/nats-binaries.ts';
import { startArchiver } from '../archiver.ts';
import { readArchiverConfig } from '../config.ts';
import { type LetterBench, openLetterBench } from './testing/letter-bench.ts';

const KIB = 1024;
describe.each(natsServerBinaries())('dead-letters replay on nats-server $version', ({ binary }) => {
  let letters: LetterBench;

  beforeAll(async () => {
    letters = await openLetterBench(binary);
  });
  afterAll(() => letters.bench.close());
  afterEach(() => letters.bench.empty());

  it('queues an event again with its id and chunks, and only then drops the dead copy', async () => {
    const image = testImage(600 * KIB);
    const event = await letters.bury(image, { chunkBytes: 256 * KIB });
    const { code, stdout, stderr } = await letters.run('replay', event.handoffId);
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: `${image.hash}.${event.handoffId}: queued again\n`,
      stderr: '',
    });
    expect(await letters.count(STREAM_DEAD)).toBe(0);
    expect(await letters.count(STREAM_BLOBS)).toBe(3);
    expect(await letters.queuedId(image.hash)).toBe(event.handoffId);
  });

  it('archives what it queues again', async () => {
    const images = [testImage(KIB), testImage(600 * KIB)] as const;
    await letters.bury(images[0]);
    await letters.bury(images[1], { chunkBytes: 256 * KIB });
    expect((await letters.run('replay', '--all')).code).toBe(0);
    const objectStore = createMemoryObjectStore();
    const config = readArchiverConfig({ NATS_URL: letters.bench.server.url, ADMIN_LISTEN: '127.0.0.1:0' });
    const archiver = await startArchiver(config, { objectStore, logger: createLogger('test', 'silent') });
    try {
      await until('all archived', async () => (await letters.count(STREAM_EVENTS)) === 0);
      for (const { hash, bytes } of images) {
        const body = objectStore.objects.get(pairKeys(config.s3.prefix, hash).image)?.body ?? Buffer.alloc(0);
        expect(Buffer.compare(body, bytes)).toBe(0);
      }
      await until('no chunks left', async () => (await letters.count(STREAM_BLOBS)) === 0);
    } finally {
      await archiver.stop();
    }
    expect(await letters.count(STREAM_DEAD)).toBe(0);
  });

  it('drops the dead copy of an event that is archived by now', async () => {
    const image = testImage(600 * KIB);
    const event = await letters.bury(image, { chunkBytes: 256 * KIB });
    const kv = await letters.bench.connection.jetstream().views.kv(KV_ARCHIVED, { bindOnly: true });
    const pair = { bucket: 'b', key: 'k', recordKey: 'r', archiveTime: new Date(), requestId: '' };
    await kv.put(image.hash, ArchivedPair.encode(pair).finish());
    const { code, stdout } = await letters.run('replay', event.handoffId);
    expect(code).toBe(0);
    expect(stdout).toContain('archived already, dead letter dropped');
    for (const stream of [STREAM_DEAD, STREAM_BLOBS, STREAM_EVENTS])
      expect(await letters.count(stream)).toBe(0);
  });

  it('keeps a letter while another hand-off of its image is queued', async () => {
    const image = testImage(600 * KIB);
    const event = await letters.bury(image, { chunkBytes: 256 * KIB });
    const other = testEvent(image, { chunkBytes: 256 * KIB });
    await publishEvent(letters.bench.connection, other, image);
    const { code, stdout } = await letters.run('replay', event.handoffId);
    expect(code).toBe(1);
    expect(stdout).toContain('NOT replayed: another hand-off of this image is queued');
    expect(await letters.count(STREAM_DEAD)).toBe(4);
    // The chunks of the other one.
    expect(await letters.count(STREAM_BLOBS)).toBe(3);
    expect(await letters.queuedId(image.hash)).toBe(other.handoffId);
  });

  it('finishes a replay that was cut short after the event was queued', async () => {
    const image = testImage(600 * KIB);
    const event = await letters.bury(image, { chunkBytes: 256 * KIB });
    await publishEvent(letters.bench.connection, event, image);
    expect(await letters.run('replay', event.handoffId)).toMatchObject({ code: 0 });
    expect(await letters.count(STREAM_DEAD)).toBe(0);
    expect(await letters.count(STREAM_BLOBS)).toBe(3);
    expect(await letters.count(STREAM_EVENTS)).toBe(1);
  });

  it('waits while NATS remembers the id, rather than taking a duplicate for a stored event', async () => {
    const image = testImage(KIB);
    const event = await letters.bury(image);
    await publishEvent(letters.bench.connection, event, image);
    await letters.bench.jsm.streams.purge(STREAM_EVENTS);
    const { code, stdout, stderr } = await letters.run('replay', event.handoffId);
    expect(stderr).toContain('NATS remembers its id');
    expect(stdout).toContain('queued again');
    expect(code).toBe(0);
    expect(await letters.queuedId(image.hash)).toBe(event.handoffId);
  });

  it('says when a letter that it replays lacks chunks', async () => {
    const image = testImage(600 * KIB);
    const event = await letters.bury(image, { chunkBytes: 256 * KIB, without: [1] });
    const { code, stdout } = await letters.run('replay', event.handoffId);
    expect(code).toBe(0);
    expect(stdout).toContain('queued again, but 1 of 3 chunks are missing');
  });

  it('does not replay what was published under no image hash', async () => {
    await letters.buryPayload('not-a-hash', 'seq-3', Buffer.from('x'));
    const { code, stdout } = await letters.run('replay', '--all');
    expect(code).toBe(1);
    expect(stdout).toContain('can only be dropped');
    expect(await letters.count(STREAM_DEAD)).toBe(1);
  });
});
