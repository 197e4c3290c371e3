import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KV } from 'nats';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type LocalS3, startLocalS3 } from '../../deploy/dev/local-s3/local-s3.ts';
import {
  ArchiveEvent,
  encodeArchiveEvent,
  EventFault,
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
  publishPayload,
  type TestImage,
  testEvent,
  testImage,
  until,
} from '../../test/_support/archive-bench.ts';
import { natsServerBinaries } from '../../test/_support/nats-binaries.ts';
import { type Archiver, startArchiver } from '../archiver.ts';
import { readArchiverConfig } from '../config.ts';
import { createJetStreamDeadLetters } from '../jetstream/jetstream-dead-letters.ts';
import { type Outcome, runCli } from './testing/run-cli.ts';

const KIB = 1024;
const BUCKET = 'test-bucket';
const PREFIX = 'customers/test/';
const CREDENTIAL = { accessKeyId: 'AKIATEST', secretAccessKey: 'test-secret' };

describe.each(natsServerBinaries())('delete on nats-server $version', ({ binary }) => {
  let bench: ArchiveBench;
  let kv: KV;
  let folder: string;
  let s3: LocalS3;
  let archiver: Archiver | undefined;

  beforeAll(async () => {
    bench = await openArchiveBench(binary);
    kv = await bench.connection.jetstream().views.kv(KV_ARCHIVED, { bindOnly: true });
  });
  afterAll(() => bench.close());
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sekai-delete-'));
    s3 = await startLocalS3({
      directory: folder,
      credentials: [CREDENTIAL],
      region: 'eu-central-1',
      buckets: [{ name: BUCKET }],
    });
  });
  afterEach(async () => {
    await archiver?.stop();
    archiver = undefined;
    await bench.empty();
    await s3.stop();
    await rm(folder, { recursive: true });
  });

  const environment = (): Record<string, string> => ({
    NATS_URL: bench.server.url,
    ADMIN_LISTEN: '127.0.0.1:0',
    S3_ENDPOINT: s3.endpoint,
    S3_REGION: 'eu-central-1',
    S3_BUCKET: BUCKET,
    S3_PREFIX: PREFIX,
    AWS_ACCESS_KEY_ID: CREDENTIAL.accessKeyId,
    AWS_SECRET_ACCESS_KEY: CREDENTIAL.secretAccessKey,
  });
  const run = (args: readonly string[], more: Record<string, string> = {}): Promise<Outcome> =>
    runCli(['delete', ...args], { ...environment(), ...more });
  const count = (stream: string): Promise<number> => messageCount(bench.jsm, stream);
  const isIndexed = async (hash: string): Promise<boolean> => (await kv.get(hash))?.operation === 'PUT';

  async function startArchiving(): Promise<void> {
    const logger = createLogger('test', 'silent');
    archiver = await startArchiver(readArchiverConfig(environment()), { logger });
  }
  async function archive(sizeBytes = 600 * KIB): Promise<TestImage> {
    const image = testImage(sizeBytes);
    await publishEvent(bench.connection, testEvent(image, { chunkBytes: 256 * KIB }), image);
    if (archiver === undefined) await startArchiving();
    await until('archived', async () => (await count(STREAM_EVENTS)) === 0);
    return image;
  }
  const traces = async ({ hash }: TestImage): Promise<string[]> => {
    const keys = await s3.objects.keys(BUCKET);
    return [...keys.filter((key) => key.includes(hash)), ...((await isIndexed(hash)) ? ['index'] : [])];
  };

  it('removes image, record and index entry of the hashes named, and nothing else', async () => {
    const [gone, kept] = [await archive(), await archive(KIB)];
    expect(await traces(gone)).toHaveLength(3);
    expect(await run([gone.hash, '--yes'])).toEqual({
      code: 0,
      stdout: `${gone.hash}: deleted\n`,
      stderr: '',
    });
    expect(await traces(gone)).toEqual([]);
    expect(await traces(kept)).toHaveLength(3);
    expect(await run([gone.hash])).toEqual({
      code: 0,
      stdout: `${gone.hash}: not in the archive, nothing to do\n`,
      stderr: '',
    });
  });

  it('removes the index entry first, then the record, then the image', async () => {
    const image = await archive();
    const keys = pairKeys(PREFIX, image.hash);
    await s3.setBucket({ name: BUCKET });
    const before = s3.requests.length;
    await run([image.hash, '--yes']);
    const removed = s3.requests.slice(before).filter(({ method }) => method === 'DELETE');
    expect(removed.map(({ key }) => key)).toEqual([keys.record, keys.image]);
    // Cut short after each step, the rest is found and removed.
    const again = await archive();
    await kv.purge(again.hash);
    expect(await run([again.hash, '--yes'])).toMatchObject({ code: 0 });
    expect(await traces(again)).toEqual([]);
    const third = await archive();
    await s3.objects.delete(BUCKET, pairKeys(PREFIX, third.hash).record);
    expect(await run([third.hash, '--yes'])).toMatchObject({ code: 0 });
    expect(await traces(third)).toEqual([]);
  });

  it('never leaves an index entry for objects that are gone, when the bucket fails in between', async () => {
    const image = await archive();
    await archiver?.stop();
    const noKey = { AWS_SECRET_ACCESS_KEY: 'wrong' };
    const refused = await run([image.hash, '--yes'], noKey);
    expect(refused.code).not.toBe(0);
    expect(await s3.objects.keys(BUCKET)).toHaveLength(2);
    expect(await run([image.hash, '--yes'])).toMatchObject({ code: 0 });
    expect(await traces(image)).toEqual([]);
  });

  it('shows what there is and asks; without consent nothing happens', async () => {
    const image = await archive();
    const nobody = await run([image.hash]);
    expect(nobody).toMatchObject({ code: 1, stdout: '' });
    expect(nobody.stderr).toContain(`${image.hash}: image present, record present, in the index\n`);
    expect(nobody.stderr).toContain('there is no --yes');
    const no = await runCli(['delete', image.hash], environment(), { confirm: () => Promise.resolve(false) });
    expect(no.code).toBe(1);
    expect(await traces(image)).toHaveLength(3);
    const yes = await runCli(['delete', image.hash], environment(), { confirm: () => Promise.resolve(true) });
    expect(yes.code).toBe(0);
    expect(await traces(image)).toEqual([]);
  });

  it('removes the dead letters of the image, chunks included, and no others', async () => {
    const [image, other] = [testImage(600 * KIB), testImage(KIB)];
    const letters = createJetStreamDeadLetters(bench.connection, bench.jsm);
    const fault = new EventFault('HASH_MISMATCH', 'test');
    for (const { hash, bytes } of [image, other]) {
      const event = testEvent({ hash, bytes }, { chunkBytes: 256 * KIB });
      await publishEvent(bench.connection, event, { hash, bytes });
      const letter = {
        imageHash: hash,
        handoffId: event.handoffId,
        payload: encodeArchiveEvent(event),
        fault,
      };
      await letters.bury(letter, new AbortController().signal);
    }
    await bench.jsm.streams.purge(STREAM_EVENTS);
    expect(await count(STREAM_DEAD)).toBe(6);
    expect(await run([image.hash, '--yes'])).toMatchObject({ code: 0 });
    expect(await count(STREAM_DEAD)).toBe(2);
  });

  it('refuses while an event of the image is queued, which would archive it again', async () => {
    const image = await archive();
    await archiver?.stop();
    await publishEvent(bench.connection, testEvent(image, { chunkBytes: 256 * KIB }), image);
    const { code, stderr } = await run([image.hash, '--yes']);
    expect(code).toBe(1);
    expect(stderr).toContain('an event of it is queued');
    expect(await traces(image)).toHaveLength(3);
  });

  it('purges a queued event when told to, with its chunks, and says if an archiver may hold it', async () => {
    const [image, other] = [testImage(600 * KIB), testImage(600 * KIB)];
    for (const each of [image, other]) {
      await publishEvent(bench.connection, testEvent(each, { chunkBytes: 256 * KIB }), each);
    }
    const { code, stdout, stderr } = await run([image.hash, '--purge-queued', '--yes']);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `${image.hash}: deleted\n`, stderr: '' });
    expect(await count(STREAM_EVENTS)).toBe(1);
    expect(await count(STREAM_BLOBS)).toBe(3);
    await startArchiving();
    await until('other archived', async () => (await count(STREAM_EVENTS)) === 0);
    expect(await traces(image)).toEqual([]);
    expect(await traces(other)).toHaveLength(3);

    // An event of a newer version has been given to an archiver, and waits.
    const waiting = testImage(1);
    const message = { ...ArchiveEvent.decode(new Uint8Array()), schemaVersion: 99 };
    await publishPayload(bench.connection, waiting.hash, ArchiveEvent.encode(message).finish());
    await until('delivered', async () => {
      const { delivered } = await bench.jsm.consumers.info(STREAM_EVENTS, 'archiver');
      return delivered.stream_seq === (await bench.jsm.streams.info(STREAM_EVENTS)).state.last_seq;
    });
    const held = await run([waiting.hash, '--purge-queued', '--yes']);
    expect(held).toMatchObject({ code: 0, stdout: `${waiting.hash}: deleted\n` });
    expect(held.stderr).toContain('repeat this in a minute');
    expect(await count(STREAM_EVENTS)).toBe(0);
  });

  it('waits for a queued event when told to, and deletes what comes of it', async () => {
    const image = testImage(600 * KIB);
    await publishEvent(bench.connection, testEvent(image, { chunkBytes: 256 * KIB }), image);
    const deleting = run([image.hash, '--wait', '30', '--yes']);
    await startArchiving();
    expect(await deleting).toMatchObject({ code: 0, stdout: `${image.hash}: deleted\n` });
    expect(s3.requests.filter(({ method }) => method === 'POST')).toHaveLength(2);
    expect(await traces(image)).toEqual([]);
    await archiver?.stop();
    await publishEvent(bench.connection, testEvent(image, { chunkBytes: 256 * KIB }), image);
    const late = await run([image.hash, '--wait', '1', '--yes']);
    expect(late).toMatchObject({ code: 1 });
    expect(late.stderr).toContain('its event is still queued');
  });

  it('archives an image again that is handed over after its deletion', async () => {
    const image = await archive();
    expect(await run([image.hash, '--yes'])).toMatchObject({ code: 0 });
    await publishEvent(bench.connection, testEvent(image, { chunkBytes: 256 * KIB }), image);
    await until('archived', async () => (await count(STREAM_EVENTS)) === 0);
    expect(await traces(image)).toHaveLength(3);
  });

  it('exits with 2 when the store does not say what it holds', async () => {
    const image = await archive();
    await s3.setBucket({ name: BUCKET, listBucketAllowed: false });
    const { code, stderr } = await run([image.hash, '--yes']);
    expect(code).toBe(2);
    expect(stderr).toContain('grant s3:ListBucket');
    await s3.setBucket({ name: BUCKET });
    expect(await traces(image)).toEqual([]);
  });

  it('does nothing when NATS cannot be asked', async () => {
    const image = await archive();
    expect(await run([image.hash, '--yes'], { NATS_URL: 'nats://127.0.0.1:1' })).toMatchObject({ code: 2 });
    expect(await traces(image)).toHaveLength(3);
  });

  it('exits with 64 for wrong usage', async () => {
    const { hash } = testImage(1);
    for (const args of [[], ['abc'], [hash, '--wait', '--purge-queued'], [hash, '--wait', '0']]) {
      expect((await run(args)).code).toBe(64);
    }
  });
});
