/** Callers that stop reading: back-pressure reaches their own stream only, and never for longer than their call. */
import { createHash } from 'node:crypto';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { expect, test, vi } from 'vitest';
import {
  type GenerateImageResponse,
  ImageEncoding,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { collect, only, startFixture } from '../_support/image-generation-fixture.ts';
import { createNoiseEngine } from '../_support/noise-engine.ts';
import { wireRequest } from '../_support/wire-request.ts';

const ARCHIVE_OFF = { ENABLE_INTERNAL_S3_UPLOAD: 'false' };
const LARGE_PNG = { width: 3072, height: 3072, imageEncoding: ImageEncoding.IMAGE_ENCODING_PNG };

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
  expect(collected.bytes.length).toBeGreaterThan(20_000_000);
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
