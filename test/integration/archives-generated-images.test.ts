/** The main job, with every process real: what a caller gets lands in the bucket, once, whole and private. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pairKeys } from '../../proto/archive-event.ts';
import { ArchiveState, ImageEncoding } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { createImageGenerationClient } from '../../services/client/image-generation-client.ts';
import { startFixture } from '../_support/image-generation-fixture.ts';
import { natsServerBinaries } from '../_support/nats-binaries.ts';
import { createNoiseEngine } from '../_support/noise-engine.ts';
import { BUCKET, PREFIX, sha256Hex, startStackFixture } from '../_support/stack-fixture.ts';

test.each(natsServerBinaries())(
  'images of 20 KB, 600 KB and more than 8 MiB arrive byte-identical over nats-server $version',
  async ({ binary }) => {
    await using system = await startStackFixture({ natsBinary: binary });
    await using service = await startFixture(
      { NATS_URL: system.archive.nats.url },
      { engine: createNoiseEngine() },
    );
    const client = createImageGenerationClient({ target: service.target });
    for (const [width, height, atLeast] of [
      [160, 160, 20_000],
      [840, 840, 600_000],
      [3_200, 3_200, 8 * 1024 * 1024],
    ] as const) {
      const { bytes, result } = await client.generateImage({
        prompt: 'noise',
        width,
        height,
        imageQuality: 92,
      });
      expect(bytes.length).toBeGreaterThan(atLeast);
      const { image, record } = await system.storedPair(result.imageHash);
      expect(image.equals(bytes)).toBe(true);
      expect(record['image']).toMatchObject({
        hash: result.imageHash,
        size_bytes: bytes.length,
        width,
        height,
      });
    }
    client.close();
  },
  60_000,
);

test('the record holds what was asked, the request id finds the pair, and nobody without credentials reads it', async () => {
  await using system = await startStackFixture();
  const requestId = '0190a6a4-5e6b-7cde-8f01-23456789abcd';
  const { result } = await system.generate({
    prompt: 'a red desert at night',
    seed: 4_294_967_295,
    requestId,
    labels: { team: 'backgrounds' },
    loras: [{ name: 'watercolor', strength: 0.5, textEncoderStrength: undefined }],
  });
  const { record } = await system.storedPair(result.imageHash);
  expect(record).toMatchObject({
    schema_version: 1,
    request_id: requestId,
    engine: { name: 'procedural' },
    parameters: {
      prompt: 'a red desert at night',
      seed: 4_294_967_295,
      width: 64,
      height: 64,
      labels: { team: 'backgrounds' },
      loras: [{ name: 'watercolor', strength: 0.5, text_encoder_strength: 0.5 }],
    },
  });
  expect(record['generated_at']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  const { image: key, record: recordKey } = pairKeys(PREFIX, result.imageHash);
  expect(result.archive).toMatchObject({ bucket: BUCKET, key, recordKey });
  const stored = await system.archive.s3.objects.get(BUCKET, key);
  expect(stored).toMatchObject({ acl: 'private', headers: { 'content-type': 'image/jpeg' } });
  expect(stored?.userMetadata).toMatchObject({ 'request-id': requestId });
  for (const each of [key, recordKey]) {
    expect((await fetch(`${system.archive.s3.endpoint}/${BUCKET}/${each}`)).status).toBe(403);
  }
  const phrases = [
    [system.stack.service, `Triggered async internal S3 upload for hash: ${result.imageHash}`],
    [system.archive.archiver, `Internal S3: Successfully uploaded ${key}`],
  ] as const;
  for (const [process, phrase] of phrases) await process.line(({ msg }) => msg === phrase, 5_000);
  const printed = JSON.stringify([system.stack.service.lines, system.archive.archiver.lines]);
  expect(printed).not.toContain('red desert');
});

test.each([
  ['PNG', ImageEncoding.IMAGE_ENCODING_PNG],
  ['WebP', ImageEncoding.IMAGE_ENCODING_WEBP],
])('for a %s caller the image hash is that of the stored JPEG', async (_, imageEncoding) => {
  await using system = await startStackFixture();
  const { bytes, result } = await system.generate({ imageEncoding });
  expect(result.archive?.state).toBe(ArchiveState.ARCHIVE_STATE_QUEUED);
  const { image } = await system.storedPair(result.imageHash);
  expect(sha256Hex(image)).toBe(result.imageHash);
  expect(image.equals(bytes)).toBe(false);
  expect(image.subarray(0, 2).toString('hex')).toBe('ffd8');
});

test('the same image again is not uploaded again and leaves the first record alone', async () => {
  await using system = await startStackFixture();
  const fields = { prompt: 'the same hill', seed: 5 };
  const first = await system.generate(fields);
  const { record } = await system.storedPair(first.result.imageHash);
  const second = await system.generate(fields);
  expect(second.result.imageHash).toBe(first.result.imageHash);
  await system.archive.archiver.line(
    ({ msg }) => msg === `Internal S3: Already archived ${first.result.imageHash}`,
  );
  const keys = pairKeys(PREFIX, first.result.imageHash);
  expect([system.uploads(keys.image), system.uploads(keys.record)]).toEqual([[201], [201]]);
  expect((await system.storedPair(first.result.imageHash)).record).toEqual(record);
});

test('ten callers with the same image at once all end OK and make one upload', async () => {
  await using system = await startStackFixture();
  const images = await Promise.all(
    Array.from({ length: 10 }, () => system.generate({ prompt: 'one hill for ten', seed: 9 })),
  );
  const hashes = new Set(images.map(({ result }) => result.imageHash));
  expect(hashes.size).toBe(1);
  const [hash = ''] = hashes;
  await system.storedPair(hash);
  await expectIdle(system);
  expect(system.uploads(pairKeys(PREFIX, hash).image)).toEqual([201]);
});

test('with the archiver stopped calls are QUEUED, and archived when it is back', async () => {
  await using system = await startStackFixture();
  await system.archive.archiver.stop();
  const images = [
    await system.generate(),
    await system.generate({ width: 1024, height: 1024, imageQuality: 100 }),
  ];
  for (const { result } of images) expect(result.archive?.state).toBe(ArchiveState.ARCHIVE_STATE_QUEUED);
  await system.archive.restartArchiver();
  for (const { result, bytes } of images) {
    expect((await system.storedPair(result.imageHash)).image.equals(bytes)).toBe(true);
  }
});

test('with S3 down the failure is logged with its cure, calls are unaffected, and all is archived when it is back', async () => {
  await using system = await startStackFixture();
  await system.archive.s3.pause();
  const { result } = await system.generate();
  expect(result.archive?.state).toBe(ArchiveState.ARCHIVE_STATE_QUEUED);
  const failed = await system.archive.archiver.line(
    ({ msg }) => msg?.startsWith('Internal S3: Failed to upload') ?? false,
  );
  expect(failed['cure']).toEqual(expect.stringContaining('S3_ENDPOINT'));
  expect((await system.generate()).result.archive?.state).toBe(ArchiveState.ARCHIVE_STATE_QUEUED);
  await system.archive.s3.resume();
  await system.storedPair(result.imageHash, 45_000);
}, 90_000);

test('killed services and archivers lose nothing that callers were told is safe', async () => {
  await using system = await startStackFixture();
  const before = await system.generate();
  await system.stack.service.kill('SIGKILL');
  await system.archive.archiver.kill('SIGKILL');
  await system.stack.restartService();
  await system.archive.restartArchiver();
  const after = await system.generate();
  for (const { result, bytes } of [before, after]) {
    expect((await system.storedPair(result.imageHash, 45_000)).image.equals(bytes)).toBe(true);
  }
}, 90_000);

test('with NATS down calls are SPOOLED, and archived when it is back', async () => {
  await using system = await startStackFixture();
  await system.archive.nats.kill('SIGKILL');
  const { result } = await system.generate();
  expect(result.archive?.state).toBe(ArchiveState.ARCHIVE_STATE_SPOOLED);
  await system.archive.nats.restart();
  await system.storedPair(result.imageHash, 45_000);
}, 90_000);

test('a service that is stopped hands over what it has before it ends with code 0', async () => {
  await using system = await startStackFixture();
  const { result } = await system.generate();
  expect(await system.stack.service.stop()).toBe(0);
  await system.storedPair(result.imageHash);
  expect(await system.archive.archiver.stop()).toBe(0);
});

test('faulty settings end a process with code 78 and one line for each of them', async () => {
  const { startManagedProcess } = await import('../../deploy/dev/managed-process.ts');
  await using service = await startFixture(
    { ENABLE_INTERNAL_S3_UPLOAD: 'false' },
    { engine: createNoiseEngine() },
  );
  const environment = { GRPC_LISTEN: 'nowhere', SPOOL_MAX_BYTES: 'much', ENGINE: 'crayons' };
  const started = startManagedProcess({
    name: 'image service',
    entry: 'services/image-generation/main.js',
    environment,
    logFile: join(service.directory, 'log'),
    readyMessage: 'never',
  });
  await expect(started).rejects.toMatchObject({
    exitCode: 78,
    message: expect.stringMatching(
      /GRPC_LISTEN: expected .*\n.*SPOOL_MAX_BYTES|ENGINE: expected one of procedural/s,
    ) as string,
  });
});

/** Nothing waits in the queue any more. */
async function expectIdle(system: Awaited<ReturnType<typeof startStackFixture>>): Promise<void> {
  const { connect } = await import('nats');
  const { vi } = await import('vitest');
  const nats = await connect({ servers: system.archive.nats.url });
  const manager = await nats.jetstreamManager();
  await vi.waitFor(async () => {
    expect((await manager.streams.info('SEKAI_ARCHIVE')).state.messages).toBe(0);
    expect((await manager.streams.info('SEKAI_ARCHIVE_BLOBS')).state.messages).toBe(0);
  });
  await nats.close();
}
