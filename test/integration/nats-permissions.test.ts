/** The permissions of deploy/nats/authorization.conf: enough for everything, and no more. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type LocalS3, startLocalS3 } from '../../deploy/dev/local-s3/local-s3.ts';
import { CONSUMER_ARCHIVER, pairKeys, STREAM_EVENTS } from '../../proto/archive-event.ts';
import {
  ArchiveState,
  ImageEncoding,
  ResponseFormat,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { type Archiver, startArchiver } from '../../sidecar/archiver.ts';
import { readArchiverConfig } from '../../sidecar/config.ts';
import { openArchivedBucket } from '../../sidecar/jetstream/jetstream-archive-index.ts';
import { openOperatorQueue } from '../../sidecar/jetstream/jetstream-operator-queue.ts';
import { rebuildConsumer } from '../../sidecar/jetstream/queue-monitor.ts';
import { takeRebuildLease } from '../../sidecar/jetstream/rebuild-lease.ts';
import { deleteStored } from '../../sidecar/jetstream/stored-message.ts';
import { ensureConsumer } from '../../sidecar/jetstream/topology.ts';
import { createLogger } from '../../services/runtime/logger.ts';
import { publishEvent, testEvent, testImage } from '../_support/archive-bench.ts';
import {
  accessTo,
  type GuardedNats,
  type NatsUser,
  refusalOf,
  startGuardedNats,
} from '../_support/guarded-nats.ts';
import {
  collect,
  type ImageGenerationFixture,
  only,
  startFixture,
} from '../_support/image-generation-fixture.ts';
import { natsServerBinaries } from '../_support/nats-binaries.ts';
import { createNoiseEngine } from '../_support/noise-engine.ts';
import { wireRequest } from '../_support/wire-request.ts';

const BUCKET = 'customers-sekai-background-image-gen';
const PREFIX = 'customers/sekai/background-image-gen/';
const silent = createLogger('test', 'fatal', { write: () => {} });

describe.each(natsServerBinaries())('nats-server $version', ({ binary }) => {
  let nats: GuardedNats;
  let s3: LocalS3;
  let service: ImageGenerationFixture;
  let archiver: Archiver;
  let directory: string;

  const openArchiver = async (): Promise<Archiver> => {
    const config = readArchiverConfig({
      ADMIN_LISTEN: '127.0.0.1:0',
      NATS_URL: nats.url('sekai-archiver'),
      S3_ENDPOINT: s3.endpoint,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test-secret',
    });
    const started = await startArchiver(config, { logger: silent });
    expect(await started.ready).toBe(true);
    return started;
  };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sekai-permissions-'));
    nats = await startGuardedNats(binary);
    s3 = await startLocalS3({
      directory,
      region: 'us-east-1',
      credentials: [{ accessKeyId: 'test', secretAccessKey: 'test-secret' }],
      buckets: [{ name: BUCKET }],
    });
    archiver = await openArchiver();
    service = await startFixture({ NATS_URL: nats.url('sekai-service') }, { engine: createNoiseEngine() });
  }, 60_000);

  afterAll(async () => {
    await service[Symbol.asyncDispose]();
    await archiver.stop();
    await s3.stop();
    await nats[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  const generate = async (more: Parameters<typeof wireRequest>[0]) => {
    const outcome = await collect(service.client.generateImage(wireRequest(more)));
    expect(outcome.error?.message).toBeUndefined();
    return only(outcome, 'result');
  };
  const stored = async (imageHash: string): Promise<void> => {
    const { image, record } = pairKeys(PREFIX, imageHash);
    const keys = expect.arrayContaining([image, record]) as string[];
    await vi.waitFor(async () => expect(await s3.objects.keys(BUCKET)).toEqual(keys), { timeout: 15_000 });
  };

  test('the whole pipeline works: inline, chunked, queued twice, link, dead letter', async () => {
    const small = await generate({ width: 64, height: 64 });
    expect(small.archive?.state).toBe(ArchiveState.ARCHIVE_STATE_QUEUED);
    await stored(small.imageHash);

    const withLink = await generate({
      width: 64,
      height: 64,
      seed: 3,
      responseFormat: ResponseFormat.RESPONSE_FORMAT_S3,
    });
    expect(withLink.archive?.downloadUrl).toContain(withLink.imageHash);

    // Queued twice while no archiver runs: the second publisher finds the first one's event, and purges its chunks.
    await archiver.stop();
    const large = { width: 1024, height: 1024, seed: 4, imageEncoding: ImageEncoding.IMAGE_ENCODING_JPEG };
    const first = await generate(large);
    const second = await generate(large);
    expect(second.imageHash).toBe(first.imageHash);
    archiver = await openArchiver();
    await stored(first.imageHash);

    const announced = testImage(600_000);
    const publisher = await nats.connect('sekai-service');
    const event = testEvent(announced, { chunkBytes: 256 * 1024 });
    await publishEvent(publisher, event, testImage(600_000));
    const operator = await openOperatorQueue(
      accessTo(nats.url('sekai-operator')),
      new AbortController().signal,
    );
    const letter = await vi.waitFor(
      async () => {
        for await (const found of operator.letters(new AbortController().signal)) return found;
        return expect.fail('no dead letter yet');
      },
      { timeout: 15_000 },
    );
    expect([letter.reason, letter.chunkIndexes]).toEqual(['HASH_MISMATCH', [0, 1, 2]]);
    await operator.drop(letter);
    await operator.forget(small.imageHash);
    await operator.close();
    expect(await nats.violations()).toEqual([]);
  }, 60_000);

  test('the repairs of an old or killed server are allowed', async () => {
    const connection = await nats.connect('sekai-archiver');
    const jsm = await connection.jetstreamManager();
    const bucket = await openArchivedBucket(connection);
    expect(await takeRebuildLease(bucket, 60_000)).toBe(true);
    const parts = { jsm, log: silent, metrics: { consumerRebuilt: () => {} } as never };
    const again = () => ensureConsumer(jsm, { onMismatch: () => {} });
    await rebuildConsumer({ ...parts, ensureConsumer: again }, 'stalled');
    expect((await jsm.consumers.info(STREAM_EVENTS, CONSUMER_ARCHIVER)).name).toBe(CONSUMER_ARCHIVER);
    await deleteStored(jsm, STREAM_EVENTS, 999_999);
    expect(await nats.violations()).toEqual([]);
  });

  const publishes = (subject: string) => (connection: NatsConnection) => connection.publish(subject);
  const subscribes = (subject: string, queue?: string) => (connection: NatsConnection) =>
    void connection.subscribe(subject, { ...(queue === undefined ? {} : { queue }), callback: () => {} });

  const refused: [NatsUser, string, (connection: NatsConnection) => void][] = [
    ['sekai-service', 'write a dead letter', publishes('sekai.archive.dead.event.a.b')],
    ['sekai-service', 'say that an image is archived', publishes('$KV.sekai-archived.a')],
    ['sekai-service', 'acknowledge an event', publishes('$JS.ACK.SEKAI_ARCHIVE.archiver.1.1.1.1.0')],
    ['sekai-service', 'take an event', publishes('$JS.API.CONSUMER.MSG.NEXT.SEKAI_ARCHIVE.archiver')],
    ['sekai-service', 'delete a stream', publishes('$JS.API.STREAM.DELETE.SEKAI_ARCHIVE')],
    ['sekai-service', 'purge the queue', publishes('$JS.API.STREAM.PURGE.SEKAI_ARCHIVE')],
    ['sekai-service', 'answer link requests', subscribes('sekai.archive.link', 'archiver')],
    ['sekai-service', 'listen to hand-offs', subscribes('sekai.archive.event.*')],
    ['sekai-service', 'write to an inbox', publishes('_INBOX.a.b')],
    ['sekai-archiver', 'hand an image over', publishes('sekai.archive.event.a')],
    ['sekai-archiver', 'write a chunk', publishes('sekai.archive.blob.a.b.0')],
    ['sekai-archiver', 'delete a stream', publishes('$JS.API.STREAM.DELETE.SEKAI_ARCHIVE')],
    ['sekai-archiver', 'change a stream', publishes('$JS.API.STREAM.UPDATE.SEKAI_ARCHIVE')],
    ['sekai-archiver', 'purge the queue', publishes('$JS.API.STREAM.PURGE.SEKAI_ARCHIVE')],
    ['sekai-archiver', 'drop dead letters', publishes('$JS.API.STREAM.PURGE.SEKAI_ARCHIVE_DEAD')],
    ['sekai-archiver', 'create a stream of its own', publishes('$JS.API.STREAM.CREATE.OTHER')],
    ['sekai-archiver', 'hear every link request', subscribes('sekai.archive.link')],
    ['sekai-archiver', 'write to an inbox unasked', publishes('_INBOX.a.b')],
    ['sekai-operator', 'use any other subject', publishes('other.subject')],
  ];

  test.each(refused)('%s may not %s', async (user, _what, act) => {
    const connection = await nats.connect(user);
    expect(await refusalOf(connection, () => act(connection))).toMatch(
      /PERMISSIONS_VIOLATION|[Pp]ermissions/,
    );
  });

  test('nobody gets in without a login', async () => {
    const { connect } = await import('nats');
    const port = new URL(nats.url('sekai-service')).port;
    await expect(connect({ servers: `127.0.0.1:${port}`, reconnect: false })).rejects.toThrow(
      /AUTHORIZATION/i,
    );
  });
});
