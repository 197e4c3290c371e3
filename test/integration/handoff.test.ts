/** The hand-off alone, against a real nats-server: from a pair in memory to a queued event, whatever happens. */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'nats';
import { afterEach, expect, test, vi } from 'vitest';
import {
  blobSubject,
  CHUNK_BYTES,
  eventSubject,
  STREAM_BLOBS,
  STREAM_EVENTS,
} from '../../proto/archive-event.ts';
import type { ArchivePair } from '../../services/image-generation/archive.ts';
import { openArchive, type OpenArchive } from '../../services/image-generation/handoff/open-archive.ts';
import { openJetStreamConnection } from '../../services/image-generation/handoff/jetstream-connection.ts';
import { createJetStreamPublisher } from '../../services/image-generation/handoff/jetstream-publisher.ts';
import { writeSpoolFile } from '../../services/image-generation/handoff/spool-file.ts';
import { createLogger } from '../../services/runtime/logger.ts';
import { createStreams, startNatsFixture } from '../_support/nats-fixture.ts';
import { passingTracing } from '../../services/runtime/tracing/passing-tracing.ts';
import { natsAccessByUrls } from '../../services/runtime/nats-access.ts';

const NOWHERE = 'nats://127.0.0.1:1';
const silent = createLogger('test', 'silent');
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function spoolDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sekai-spool-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

async function open(natsUrl: string, directory: string, maxBytes = 2 ** 30): Promise<OpenArchive> {
  const opened = await openArchive(
    {
      nats: natsAccessByUrls([natsUrl]),
      handoffDeadlineMs: 250,
      spoolDirectory: directory,
      spoolMaxBytes: maxBytes,
      bucket: 'bucket',
      prefix: 'prefix/',
    },
    silent,
    passingTracing,
  );
  cleanups.push(() => opened.close(0));
  await vi.waitUntil(() => opened.connected || natsUrl === NOWHERE);
  return opened;
}

function pair(imageBytes: number): ArchivePair {
  const image = randomBytes(imageBytes);
  const imageHash = createHash('sha256').update(image).digest('hex');
  return {
    imageHash,
    image,
    record: Buffer.from('{"schema_version":1}\n'),
    requestId: randomUUID(),
    trace: {},
  };
}

const queueFiles = (directory: string): Promise<string[]> => readdir(join(directory, 'queue'));

test('a small pair becomes one event that carries everything, and its spool file goes', async () => {
  await using nats = await startNatsFixture();
  const directory = await spoolDirectory();
  const { archive } = await open(nats.server.url, directory);
  const given = pair(20_000);
  expect(await archive.handOff(given).state(5_000)).toBe('queued');
  const event = await nats.queuedEvent(given.imageHash);
  expect(event).toMatchObject({
    imageHash: given.imageHash,
    requestId: given.requestId,
    imageSizeBytes: 20_000,
  });
  expect(event?.image.kind === 'inline' && Buffer.from(event.image.bytes).equals(given.image)).toBe(true);
  expect(Buffer.from(event?.inputRecord ?? []).equals(given.record)).toBe(true);
  await vi.waitFor(async () => expect(await queueFiles(directory)).toEqual([]));
});

test('a large pair becomes chunks and a manifest that names them', async () => {
  await using nats = await startNatsFixture();
  const { archive } = await open(nats.server.url, await spoolDirectory());
  const given = pair(9_000_000);
  expect(await archive.handOff(given).state(10_000)).toBe('queued');
  const event = await nats.queuedEvent(given.imageHash);
  expect(event?.image).toEqual({
    kind: 'chunked',
    chunkCount: Math.ceil(9_000_000 / CHUNK_BYTES),
    chunkBytes: CHUNK_BYTES,
  });
  const chunks: Uint8Array[] = [];
  for (let index = 0; index < Math.ceil(9_000_000 / CHUNK_BYTES); index += 1) {
    const subject = blobSubject(given.imageHash, event?.handoffId ?? '', index);
    chunks.push((await nats.manager.streams.getMessage(STREAM_BLOBS, { last_by_subj: subject })).data);
  }
  expect(Buffer.concat(chunks).equals(given.image)).toBe(true);
});

test('the same image handed over twice is queued once, and the second set of chunks is gone', async () => {
  await using nats = await startNatsFixture();
  const { archive } = await open(nats.server.url, await spoolDirectory());
  const given = pair(1_000_000);
  expect(await archive.handOff(given).state(5_000)).toBe('queued');
  expect(await archive.handOff({ ...given, requestId: randomUUID() }).state(5_000)).toBe('queued');
  expect((await nats.manager.streams.info(STREAM_EVENTS)).state.messages).toBe(1);
  expect(await nats.chunkCount(given.imageHash)).toBe(Math.ceil(1_000_000 / CHUNK_BYTES));
  expect((await nats.queuedEvent(given.imageHash))?.requestId).toBe(given.requestId);
});

test('a repeat of a hand-off whose first answer was lost keeps the chunks that its queued event needs', async () => {
  await using nats = await startNatsFixture();
  const given = pair(1_000_000);
  const connection = openJetStreamConnection(natsAccessByUrls([nats.server.url]), silent);
  const publisher = createJetStreamPublisher(connection, passingTracing);
  cleanups.push(() => publisher.close());
  await vi.waitFor(() => expect(publisher.connected).toBe(true));
  const handOff = { ...given, handoffId: randomUUID(), createTime: new Date() };
  await publisher.publish(handOff);
  await publisher.publish(handOff);
  expect(await nats.chunkCount(given.imageHash)).toBe(Math.ceil(1_000_000 / CHUNK_BYTES));

  // The same outside the window in which JetStream remembers message ids: a new server process forgets the
  // id only of messages that are gone, so the window is emptied by making the stream forget it.
  await nats.manager.streams.update(STREAM_EVENTS, { duplicate_window: 100_000_000 });
  await vi.waitFor(async () => {
    await publisher.publish(handOff);
    expect(await nats.chunkCount(given.imageHash)).toBe(Math.ceil(1_000_000 / CHUNK_BYTES));
    expect((await nats.manager.streams.info(STREAM_EVENTS)).state.messages).toBe(1);
  });
});

test('a repeat after the event was archived and purged leaves no orphan chunks', async () => {
  await using nats = await startNatsFixture();
  const given = pair(1_000_000);
  const publisher = createJetStreamPublisher(
    openJetStreamConnection(natsAccessByUrls([nats.server.url]), silent),
    passingTracing,
  );
  cleanups.push(() => publisher.close());
  await vi.waitFor(() => expect(publisher.connected).toBe(true));
  const handOff = { ...given, handoffId: randomUUID(), createTime: new Date() };
  await publisher.publish(handOff);
  await nats.manager.streams.purge(STREAM_BLOBS);
  await nats.manager.streams.purge(STREAM_EVENTS, { filter: eventSubject(given.imageHash) });
  await publisher.publish(handOff);
  expect(await nats.chunkCount(given.imageHash)).toBe(0);
});

test('while NATS is away pairs are spooled at once, and published when it is there', async () => {
  const directory = await spoolDirectory();
  const away = await open(NOWHERE, directory);
  const given = [pair(20_000), pair(700_000), pair(30_000)];
  for (const [index, each] of given.entries()) {
    const asked = performance.now();
    expect(await away.archive.handOff(each).state(index === 0 ? 250 : 10_000)).toBe('spooled');
    // Once the circuit is open nobody waits: 10 s were allowed.
    expect(performance.now() - asked).toBeLessThan(5_000);
  }
  await away.close(0);
  expect(await queueFiles(directory)).toHaveLength(3);

  await using nats = await startNatsFixture();
  await open(nats.server.url, directory);
  await vi.waitFor(async () => expect(await queueFiles(directory)).toEqual([]), { timeout: 10_000 });
  for (const each of given) expect((await nats.queuedEvent(each.imageHash))?.requestId).toBe(each.requestId);
});

test('streams that do not exist yet are waited for', async () => {
  await using nats = await startNatsFixture({ streams: false });
  const { archive } = await open(nats.server.url, await spoolDirectory());
  const given = pair(20_000);
  expect(await archive.handOff(given).state(10_000)).toBe('spooled');
  await createStreams(nats.manager);
  await vi.waitFor(async () => expect(await nats.queuedEvent(given.imageHash)).toBeDefined(), {
    timeout: 10_000,
  });
});

test('a nats-server killed and restarted in mid-stream of hand-offs loses none of them', async () => {
  await using nats = await startNatsFixture();
  const directory = await spoolDirectory();
  const { archive } = await open(nats.server.url, directory);
  const given = Array.from({ length: 30 }, (_, index) => pair(index % 3 === 0 ? 800_000 : 40_000));
  const states = given.map((each) => archive.handOff(each).state(250));
  await nats.server.kill('SIGKILL');
  expect(await Promise.all(states)).not.toContain('failed');
  await nats.server.restart();
  await vi.waitFor(async () => expect(await queueFiles(directory)).toEqual([]), { timeout: 20_000 });
  const fresh = await connect({ servers: nats.server.url });
  const manager = await fresh.jetstreamManager();
  expect((await manager.streams.info(STREAM_EVENTS)).state.messages).toBe(30);
  await fresh.close();
}, 60_000);

test('a full spool fails the hand-off and says so, and takes new ones when there is room', async () => {
  const directory = await spoolDirectory();
  const opened = await open(NOWHERE, directory, 1_000_000);
  const { archive } = opened;
  expect(await archive.handOff(pair(900_000)).state(250)).toBe('spooled');
  expect(await archive.handOff(pair(200_000)).state(250)).toBe('failed');
  expect(await archive.handOff(pair(20_000)).state(250)).toBe('spooled');
  expect(opened.failures()).toBe(1);
});

test('what an earlier process left counts against the limit of the spool, and goes first', async () => {
  const directory = await spoolDirectory();
  const away = await open(NOWHERE, directory, 1_000_000);
  const left = pair(900_000);
  expect(await away.archive.handOff(left).state(250)).toBe('spooled');
  await away.close(0);

  const still = await open(NOWHERE, directory, 1_000_000);
  expect(still.spoolBytes()).toBeGreaterThan(900_000);
  expect(await still.archive.handOff(pair(200_000)).state(250)).toBe('failed');
  await still.close(0);

  await using nats = await startNatsFixture();
  const back = await open(nats.server.url, directory, 1_000_000);
  await vi.waitUntil(() => back.waiting() === 0, 10_000);
  expect((await nats.queuedEvent(left.imageHash))?.requestId).toBe(left.requestId);
  expect(back.spoolBytes()).toBe(0);
  expect(await back.archive.handOff(pair(200_000)).state(5_000)).toBe('queued');
});

test('damaged spool files are set aside and do not hold up the good ones', async () => {
  await using nats = await startNatsFixture();
  const directory = await spoolDirectory();
  for (const folder of ['queue', 'tmp']) await mkdir(join(directory, folder), { recursive: true });
  await writeFile(join(directory, 'queue', '000000000000001-cut.handoff'), 'SKH1\0\0');
  await writeFile(join(directory, 'tmp', 'half-written'), 'x');
  const wrong = {
    ...pair(50_000),
    handoffId: randomUUID(),
    createTime: new Date(2),
    image: randomBytes(50_000),
  };
  await writeSpoolFile(directory, wrong);
  const good = { ...pair(50_000), handoffId: randomUUID(), createTime: new Date(3) };
  await writeSpoolFile(directory, good);
  await open(nats.server.url, directory);
  await vi.waitFor(async () => expect(await nats.queuedEvent(good.imageHash)).toBeDefined());
  await vi.waitFor(async () => expect(await queueFiles(directory)).toEqual([]));
  expect(await readdir(join(directory, 'damaged'))).toHaveLength(2);
  expect(await readdir(join(directory, 'tmp'))).toEqual([]);
  expect(await nats.queuedEvent(wrong.imageHash)).toBeUndefined();
});
