import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  ArchivedPair,
  blobSubject,
  type CheckedArchiveEvent,
  encodeArchiveEvent,
  EventFault,
  eventSubject,
  KV_ARCHIVED,
  pairKeys,
  STREAM_BLOBS,
  STREAM_DEAD,
  STREAM_EVENTS,
} from '../../proto/archive-event.ts';
import { createLogger } from '../../services/runtime/logger.ts';
import {
  type ArchiveBench,
  messageCount,
  openArchiveBench,
  publishEvent,
  type TestImage,
  testEvent,
  testImage,
  until,
} from '../../test/_support/archive-bench.ts';
import { createMemoryObjectStore } from '../../test/_support/memory-object-store.ts';
import { natsServerBinaries } from '../../test/_support/nats-binaries.ts';
import { startArchiver } from '../archiver.ts';
import { readArchiverConfig } from '../config.ts';
import { createJetStreamDeadLetters } from '../jetstream/jetstream-dead-letters.ts';
import { openOperatorQueue } from '../jetstream/jetstream-operator-queue.ts';
import { type Outcome, runCli } from './testing/run-cli.ts';

const KIB = 1024;
const PROMPT = 'a secret prompt';
const never = new AbortController().signal;

describe.each(natsServerBinaries())('dead-letters on nats-server $version', ({ binary }) => {
  let bench: ArchiveBench;

  beforeAll(async () => {
    bench = await openArchiveBench(binary);
    // Two minutes would be long for a test; the rule is the same.
    const { config } = await bench.jsm.streams.info(STREAM_EVENTS);
    await bench.jsm.streams.update(STREAM_EVENTS, { ...config, duplicate_window: 1_500_000_000 });
  });
  afterAll(() => bench.close());
  afterEach(async () => {
    for (const stream of [STREAM_EVENTS, STREAM_BLOBS, STREAM_DEAD]) await bench.jsm.streams.purge(stream);
  });

  const run = (...args: string[]): Promise<Outcome> =>
    runCli(['dead-letters', ...args], { NATS_URL: bench.server.url });
  const count = (stream: string): Promise<number> => messageCount(bench.jsm, stream);
  const recordFor = ({ hash }: TestImage): Buffer =>
    Buffer.from(
      JSON.stringify({ schema_version: 1, parameters: { prompt: PROMPT, seed: 7 }, image: { hash } }),
    );

  /** A letter as the archiver buries it, with the event it holds. */
  async function bury(
    image: TestImage,
    more: { readonly chunkBytes?: number; readonly without?: readonly number[] } = {},
  ): Promise<CheckedArchiveEvent> {
    const { chunkBytes, without = [] } = more;
    const event = testEvent(image, {
      inputRecord: recordFor(image),
      ...(chunkBytes === undefined ? {} : { chunkBytes }),
    });
    if (chunkBytes !== undefined) await publishChunks(event, image, chunkBytes, without);
    await buryPayload(image.hash, event.handoffId, encodeArchiveEvent(event));
    return event;
  }

  async function publishChunks(
    { handoffId }: CheckedArchiveEvent,
    { hash, bytes }: TestImage,
    chunkBytes: number,
    without: readonly number[],
  ): Promise<void> {
    const js = bench.connection.jetstream();
    for (let index = 0; index * chunkBytes < bytes.length; index += 1) {
      if (without.includes(index)) continue;
      const chunk = bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes);
      await js.publish(blobSubject(hash, handoffId, index), chunk);
    }
  }

  async function buryPayload(imageHash: string, handoffId: string, payload: Uint8Array): Promise<void> {
    const fault = new EventFault('HASH_MISMATCH', 'image has another SHA-256');
    const letters = createJetStreamDeadLetters(bench.connection, bench.jsm);
    await letters.bury({ imageHash, handoffId, payload, fault }, never);
    await bench.jsm.streams.purge(STREAM_BLOBS);
  }

  const queuedId = async (hash: string): Promise<string | undefined> => {
    const message = await bench.jsm.streams.getMessage(STREAM_EVENTS, { last_by_subj: eventSubject(hash) });
    return message.header.get('Nats-Msg-Id');
  };

  it('says when there are none', async () => {
    expect(await run('list')).toEqual({ code: 0, stdout: 'no dead letters\n', stderr: '' });
    expect(await run('replay', '--all')).toMatchObject({ code: 0, stdout: 'no dead letters\n' });
  });

  it('lists letters, oldest first, with what they failed for and what is kept', async () => {
    const [small, large] = [testImage(KIB), testImage(600 * KIB)];
    const first = await bury(small);
    const second = await bury(large, { chunkBytes: 256 * KIB });
    const { code, stdout } = await run('list');
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^ID +REASON +AGE +BYTES +HASH +DETAIL *$/);
    expect(lines[1]).toContain(`${first.handoffId}  HASH_MISMATCH`);
    expect(lines[1]).toMatch(new RegExp(`\\d s +\\d+  ${small.hash}  image has another SHA-256$`));
    expect(lines[2]).toContain('+3 chunks');
    const json = (await run('list', '--json')).stdout.trim().split('\n');
    expect(json.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { id: first.handoffId, image_hash: small.hash, reason: 'HASH_MISMATCH', chunks_kept: 0 },
      { id: second.handoffId, image_hash: large.hash, chunks_kept: 3 },
    ]);
  });

  it('shows a letter without the prompt, and the record when asked for it', async () => {
    const image = testImage(KIB);
    const event = await bury(image);
    for (const flags of [[], ['--json']]) {
      const { code, stdout } = await run('show', event.handoffId, ...flags);
      expect(code).toBe(0);
      for (const text of [
        image.hash,
        event.requestId,
        'inline, 1024 bytes',
        `${PROMPT.length} bytes, SHA-256`,
      ]) {
        expect(stdout).toContain(text);
      }
      expect(stdout).not.toContain(PROMPT);
    }
    expect(await run('show', image.hash, '--record')).toEqual({
      code: 0,
      stdout: `${Buffer.from(event.inputRecord).toString()}\n`,
      stderr: '',
    });
  });

  it('shows a payload that is no event, and no bytes of it', async () => {
    const { hash } = testImage(1);
    await buryPayload(hash, 'seq-7', Buffer.from(`\u0007 ${PROMPT}`));
    const { code, stdout } = await run('show', 'seq-7');
    expect(code).toBe(0);
    expect(stdout).toMatch(/decodable +false/);
    expect(stdout).not.toContain(PROMPT);
    expect(await run('show', 'seq-7', '--record')).toMatchObject({ code: 1, stdout: '' });
  });

  it('lets no letter talk to the terminal', async () => {
    const evil = `\u001B]0;owned\u0007\u202E`;
    await buryPayload(evil, randomUUID(), Buffer.from('x'));
    for (const args of [['list'], ['show', evil], ['drop', evil, '--yes']]) {
      const { stdout, stderr } = await run(...args);
      expect(`${stdout}${stderr}`).not.toMatch(/\p{Cf}|(?!\n)\p{Cc}/u);
    }
    expect(await count(STREAM_DEAD)).toBe(0);
  });

  it('queues an event again with its id and chunks, and only then drops the dead copy', async () => {
    const image = testImage(600 * KIB);
    const event = await bury(image, { chunkBytes: 256 * KIB });
    const { code, stdout, stderr } = await run('replay', event.handoffId);
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: `${image.hash}.${event.handoffId}: queued again\n`,
      stderr: '',
    });
    expect(await count(STREAM_DEAD)).toBe(0);
    expect(await count(STREAM_BLOBS)).toBe(3);
    expect(await queuedId(image.hash)).toBe(event.handoffId);
  });

  it('archives what it queues again', async () => {
    const images = [testImage(KIB), testImage(600 * KIB)] as const;
    await bury(images[0]);
    await bury(images[1], { chunkBytes: 256 * KIB });
    expect((await run('replay', '--all')).code).toBe(0);
    const objectStore = createMemoryObjectStore();
    const config = readArchiverConfig({ NATS_URL: bench.server.url, ADMIN_LISTEN: '127.0.0.1:0' });
    const archiver = await startArchiver(config, { objectStore, logger: createLogger('test', 'silent') });
    try {
      await until('all archived', async () => (await count(STREAM_EVENTS)) === 0);
      for (const { hash, bytes } of images) {
        const body = objectStore.objects.get(pairKeys(config.s3.prefix, hash).image)?.body ?? Buffer.alloc(0);
        expect(Buffer.compare(body, bytes)).toBe(0);
      }
      await until('no chunks left', async () => (await count(STREAM_BLOBS)) === 0);
    } finally {
      await archiver.stop();
    }
    expect(await count(STREAM_DEAD)).toBe(0);
  });

  it('drops the dead copy of an event that is archived by now', async () => {
    const image = testImage(600 * KIB);
    const event = await bury(image, { chunkBytes: 256 * KIB });
    const kv = await bench.connection.jetstream().views.kv(KV_ARCHIVED, { bindOnly: true });
    const pair = { bucket: 'b', key: 'k', recordKey: 'r', archiveTime: new Date(), requestId: '' };
    await kv.put(image.hash, ArchivedPair.encode(pair).finish());
    const { code, stdout } = await run('replay', event.handoffId);
    expect(code).toBe(0);
    expect(stdout).toContain('archived already, dead letter dropped');
    for (const stream of [STREAM_DEAD, STREAM_BLOBS, STREAM_EVENTS]) expect(await count(stream)).toBe(0);
  });

  it('keeps a letter while another hand-off of its image is queued', async () => {
    const image = testImage(600 * KIB);
    const event = await bury(image, { chunkBytes: 256 * KIB });
    const other = testEvent(image, { chunkBytes: 256 * KIB });
    await publishEvent(bench.connection, other, image);
    const { code, stdout } = await run('replay', event.handoffId);
    expect(code).toBe(1);
    expect(stdout).toContain('NOT replayed: another hand-off of this image is queued');
    expect(await count(STREAM_DEAD)).toBe(4);
    // The chunks of the other one.
    expect(await count(STREAM_BLOBS)).toBe(3);
    expect(await queuedId(image.hash)).toBe(other.handoffId);
  });

  it('finishes a replay that was cut short after the event was queued', async () => {
    const image = testImage(600 * KIB);
    const event = await bury(image, { chunkBytes: 256 * KIB });
    await publishEvent(bench.connection, event, image);
    expect(await run('replay', event.handoffId)).toMatchObject({ code: 0 });
    expect(await count(STREAM_DEAD)).toBe(0);
    expect(await count(STREAM_BLOBS)).toBe(3);
    expect(await count(STREAM_EVENTS)).toBe(1);
  });

  it('waits while NATS remembers the id, rather than taking a duplicate for a stored event', async () => {
    const image = testImage(KIB);
    const event = await bury(image);
    await publishEvent(bench.connection, event, image);
    await bench.jsm.streams.purge(STREAM_EVENTS);
    const { code, stdout, stderr } = await run('replay', event.handoffId);
    expect(stderr).toContain('NATS remembers its id');
    expect(stdout).toContain('queued again');
    expect(code).toBe(0);
    expect(await queuedId(image.hash)).toBe(event.handoffId);
  });

  it('says when a letter that it replays lacks chunks', async () => {
    const image = testImage(600 * KIB);
    const event = await bury(image, { chunkBytes: 256 * KIB, without: [1] });
    const { code, stdout } = await run('replay', event.handoffId);
    expect(code).toBe(0);
    expect(stdout).toContain('queued again, but 1 of 3 chunks are missing');
  });

  it('does not replay what was published under no image hash', async () => {
    await buryPayload('not-a-hash', 'seq-3', Buffer.from('x'));
    const { code, stdout } = await run('replay', '--all');
    expect(code).toBe(1);
    expect(stdout).toContain('can only be dropped');
    expect(await count(STREAM_DEAD)).toBe(1);
  });

  it('drops what it is told to, and nothing else', async () => {
    const images = [testImage(600 * KIB), testImage(600 * KIB)] as const;
    const gone = await bury(images[0], { chunkBytes: 256 * KIB });
    const kept = await bury(images[1], { chunkBytes: 256 * KIB });
    const { code, stdout } = await run('drop', gone.handoffId, '--yes');
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${images[0].hash}.${gone.handoffId}: dropped\n` });
    expect(await count(STREAM_DEAD)).toBe(4);
    expect((await run('list')).stdout).toContain(kept.handoffId);
    expect(await run('drop', gone.handoffId, '--yes')).toMatchObject({
      code: 1,
      stderr: `${gone.handoffId}: there is no such dead letter\n`,
    });
  });

  it('spares a letter that is buried again while it is dropped', async () => {
    const image = testImage(600 * KIB);
    const event = await bury(image, { chunkBytes: 256 * KIB });
    const queue = await openOperatorQueue([bench.server.url], never);
    try {
      for await (const letter of queue.letters(never)) {
        await publishChunks(event, image, 256 * KIB, []);
        await buryPayload(image.hash, event.handoffId, letter.payload);
        await queue.drop(letter);
        await queue.drop(letter);
      }
    } finally {
      await queue.close();
    }
    expect(await count(STREAM_DEAD)).toBe(4);
    expect((await run('show', event.handoffId, '--json')).stdout).toContain('"chunks_kept":3');
  });

  it('drops nothing without consent', async () => {
    const event = await bury(testImage(KIB));
    const args = ['dead-letters', 'drop', event.handoffId];
    const environment = { NATS_URL: bench.server.url };
    const nobody = await runCli(args, environment);
    expect(nobody).toMatchObject({ code: 1, stdout: '' });
    expect(nobody.stderr).toContain('there is no --yes');
    const questions: string[] = [];
    const answer = (yes: boolean) => (question: string) => {
      questions.push(question);
      return Promise.resolve(yes);
    };
    expect((await runCli(args, environment, answer(false))).stderr).toContain('nothing done');
    expect(await count(STREAM_DEAD)).toBe(1);
    expect((await runCli(args, environment, answer(true))).code).toBe(0);
    expect(await count(STREAM_DEAD)).toBe(0);
    expect(questions).toHaveLength(2);
  });

  it('wants one image named where an id names letters of several', async () => {
    const [one, two] = [testImage(1), testImage(2)];
    for (const { hash } of [one, two]) await buryPayload(hash, 'seq-1', Buffer.from('x'));
    const unclear = await run('drop', 'seq-1', '--yes');
    expect(unclear).toMatchObject({ code: 1, stdout: '' });
    expect(unclear.stderr).toContain('letters of 2 images');
    expect(await run('drop', `${one.hash}.seq-1`, '--yes')).toMatchObject({ code: 0 });
    expect((await run('list')).stdout).toContain(two.hash);
  });

  it('leaves other letters their chunks when a name in the stream is a pattern', async () => {
    const event = await bury(testImage(600 * KIB), { chunkBytes: 256 * KIB });
    await bench.connection.jetstream().publish(`sekai.archive.dead.event.*.${event.handoffId}`, 'x');
    expect(await run('drop', `*.${event.handoffId}`, '--yes')).toMatchObject({ code: 0 });
    expect(await count(STREAM_DEAD)).toBe(4);
    expect((await run('show', event.handoffId, '--json')).stdout).toContain('"chunks_kept":3');
  });

  it('exits with 2 and a cure when NATS cannot be asked', async () => {
    const bare = await openBareServer(binary);
    try {
      const { code, stderr } = await runCli(['dead-letters', 'list'], { NATS_URL: bare.url });
      expect(code).toBe(2);
      expect(stderr).toBe(
        'this NATS has no archive: check NATS_URL; the first archiver that starts creates the streams\n',
      );
    } finally {
      await bare.close();
    }
    const gone = await runCli(['dead-letters', 'list'], { NATS_URL: bare.url });
    expect(gone).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('NATS cannot be reached') as string,
    });
  });

  it('exits with 64 for wrong usage and 78 for a wrong configuration', async () => {
    for (const args of [['replay'], ['replay', 'x', '--all'], ['drop'], ['show'], ['bury']]) {
      expect((await run(...args)).code).toBe(64);
    }
    expect(await runCli(['dead-letters', 'list'], { NATS_URL: 'http://x' })).toMatchObject({ code: 78 });
  });
});

async function openBareServer(binary: string): Promise<{ url: string; close(): Promise<void> }> {
  const bench = await openArchiveBench(binary);
  for (const stream of ['KV_sekai-archived', STREAM_DEAD]) await bench.jsm.streams.delete(stream);
  return { url: bench.server.url, close: () => bench.close() };
}
