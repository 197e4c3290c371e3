/** Callers that stop reading: back-pressure reaches their own stream only, and never for longer than their call. */
import { createHash } from 'node:crypto';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { expect, test, vi } from 'vitest';
import {
  type GenerateImageResponse,
  GenerationStage,
  ImageEncoding,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { collect, only, startFixture } from '../_support/image-generation-fixture.ts';
import { createNoiseEngine } from '../_support/noise-engine.ts';
import { wireRequest } from '../_support/wire-request.ts';

const ARCHIVE_OFF = { ENABLE_INTERNAL_S3_UPLOAD: 'false' };
const LARGE_PNG = { width: 1792, height: 1792, imageEncoding: ImageEncoding.IMAGE_ENCODING_PNG };

/** Stops reading at the first chunk. grpc-js only holds the sender back once it has been read from. */
function stallAtFirstChunk(stream: ClientReadableStream<GenerateImageResponse>): Promise<void> {
  return new Promise((resolve) => {
    const onData = ({ event }: GenerateImageResponse): void => {
      if (event?.$case !== 'chunk') return;
      stream.pause();
      stream.off('data', onData);
      resolve();
    };
    stream.on('data', onData);
  });
}

test('a caller that stops reading holds back its own stream, nobody else, and can go on', async () => {
  await using service = await startFixture(ARCHIVE_OFF, { engine: createNoiseEngine() });
  const stream = service.client.generateImage(wireRequest(LARGE_PNG));
  const collecting = collect(stream);
  await stallAtFirstChunk(stream);
  expect((await collect(service.client.generateImage(wireRequest()))).error).toBeUndefined();
  expect(service.logLines.filter(({ msg }) => msg === 'call ended')).toHaveLength(1);
  stream.resume();
  const collected = await collecting;
  expect(collected.error).toBeUndefined();
  expect(collected.bytes.length).toBeGreaterThan(9_000_000);
  const digest = createHash('sha256').update(collected.bytes).digest();
  expect(digest.equals(only(collected, 'header').sha256)).toBe(true);
});

test('a caller that leaves its image unread beyond the deadline is cut off and holds nothing up', async () => {
  await using service = await startFixture(
    { ...ARCHIVE_OFF, MAX_CALL_SECONDS: '8' },
    { engine: createNoiseEngine() },
  );
  const stream = service.client.generateImage(wireRequest(LARGE_PNG));
  const collecting = collect(stream);
  await stallAtFirstChunk(stream);
  await vi.waitFor(
    () => expect(service.logLines).toContainEqual(expect.objectContaining({ code: 'DEADLINE_EXCEEDED' })),
    { timeout: 20_000 },
  );
  // Waits for every call's stream to be gone; without the cut it would wait for its own deadline of 30 s.
  await service.service.stop();
  stream.resume();
  expect((await collecting).error).toBeDefined();
}, 40_000);

test('slow readers whose images fill the memory budget hold back the engine, until one of them goes on', async () => {
  const limits = { DELIVERY_MAX_BYTES: String(24 * 1024 * 1024), ENGINE_CONCURRENCY: '1' };
  await using service = await startFixture({ ...ARCHIVE_OFF, ...limits }, { engine: createNoiseEngine() });
  // About 10 MB each: two fit.
  const stalled = [
    service.client.generateImage(wireRequest(LARGE_PNG)),
    service.client.generateImage(wireRequest(LARGE_PNG)),
  ];
  const collecting = stalled.map((stream) => collect(stream));
  await Promise.all(stalled.map((stream) => stallAtFirstChunk(stream)));
  const third = service.client.generateImage(wireRequest(LARGE_PNG));
  let announced = false;
  const stages = new Set<number>();
  third.on('data', ({ event }: GenerateImageResponse) => {
    announced ||= event?.$case === 'header';
    if (event?.$case === 'progress') stages.add(event.value.stage);
  });
  const thirdCollected = collect(third);
  await vi.waitFor(() => expect(stages).toContain(GenerationStage.GENERATION_STAGE_ENCODING), {
    timeout: 10_000,
  });
  // The engine's one place is not free: a small image waits as well.
  const small = collect(service.client.generateImage(wireRequest()));
  const first = await Promise.race([small.then(() => 'small'), quietFor(500)]);
  expect({ first, announced }).toEqual({ first: 'quiet', announced: false });
  for (const stream of stalled) stream.resume();
  const all = await Promise.all([...collecting, thirdCollected, small]);
  expect(all.map(({ error }) => error)).toEqual([undefined, undefined, undefined, undefined]);
}, 40_000);

/** That something does not happen can only be seen by waiting a while. */
const quietFor = (ms: number): Promise<'quiet'> =>
  new Promise((resolve) => setTimeout(() => resolve('quiet'), ms));
