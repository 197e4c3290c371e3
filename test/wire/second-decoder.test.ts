/**
 * An independent client: @grpc/proto-loader reads the .proto files by itself and knows nothing of the generated
 * code, so that an error in our generation, or in the hand-written chunk serializer, cannot hide.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import {
  type ClientReadableStream,
  credentials,
  loadPackageDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { expect, test } from 'vitest';
import { startFixture } from '../_support/image-generation-fixture.ts';
import { createNoiseEngine } from '../_support/noise-engine.ts';

interface LooseEvent {
  readonly event: string;
  readonly [kind: string]: unknown;
}

interface LooseClient {
  GenerateImage(request: object): ClientReadableStream<LooseEvent>;
  GetCapabilities(request: object, callback: (error: ServiceError | null, answer: object) => void): void;
  close(): void;
}

const root = join(import.meta.dirname, '..', '..', 'proto');
const definition = loadSync('sekai/image/v1/image_generation_service.proto', {
  includeDirs: [root],
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
});

function connect(target: string): LooseClient {
  const packages = loadPackageDefinition(definition) as unknown as {
    sekai: { image: { v1: { ImageGenerationService: new (...args: unknown[]) => LooseClient } } };
  };
  return new packages.sekai.image.v1.ImageGenerationService(target, credentials.createInsecure());
}

function read(stream: ClientReadableStream<LooseEvent>): Promise<LooseEvent[]> {
  return new Promise((resolve, reject) => {
    const events: LooseEvent[] = [];
    stream.on('data', (event: LooseEvent) => events.push(event));
    stream.on('error', reject);
    stream.on('end', () => resolve(events));
  });
}

test('a client made from the .proto file alone reads every event and the whole image', async () => {
  await using service = await startFixture(
    { ENABLE_INTERNAL_S3_UPLOAD: 'false' },
    { engine: createNoiseEngine() },
  );
  const client = connect(service.target);
  const request = {
    prompt: 'sea',
    seed: 0,
    width: 1024,
    height: 512,
    image_encoding: 'IMAGE_ENCODING_PNG',
    loras: [{ name: 'grain', strength: 0 }],
  };
  const events = await read(client.GenerateImage(request));
  client.close();
  const value = (kind: string): Record<string, unknown> =>
    events.find(({ event }) => event === kind)?.[kind] as Record<string, unknown>;

  expect(value('accepted')).toMatchObject({
    engine: 'noise',
    parameters: {
      seed: 0,
      width: 1024,
      height: 512,
      image_encoding: 'IMAGE_ENCODING_PNG',
      response_format: 'RESPONSE_FORMAT_BINARY',
      image_quality: 0,
      loras: [{ name: 'grain', strength: 0, text_encoder_strength: 0 }],
    },
  });
  expect(value('progress')).toMatchObject({
    stage: 'GENERATION_STAGE_SAMPLING',
    step: 1,
    total_steps: 2,
    fraction: 0.5,
  });
  const chunks = events.flatMap(({ event, chunk }) =>
    event === 'chunk' ? [chunk as { offset: string; data: Buffer }] : [],
  );
  const bytes = Buffer.concat(chunks.map(({ data }) => data));
  expect(chunks.length).toBeGreaterThan(1);
  expect(Number(chunks.at(-1)?.offset)).toBe(bytes.length - (chunks.at(-1)?.data.length ?? 0));
  const header = value('header') as { size_bytes: string; sha256: Buffer; media_type: string };
  expect(header).toMatchObject({ media_type: 'image/png', size_bytes: String(bytes.length) });
  expect(createHash('sha256').update(bytes).digest().equals(header.sha256)).toBe(true);
  expect(value('result')).toMatchObject({
    seed: 0,
    image_hash: '',
    archive: { state: 'ARCHIVE_STATE_DISABLED' },
  });
});

test('the capabilities read the same', async () => {
  await using service = await startFixture(
    { ENABLE_INTERNAL_S3_UPLOAD: 'false' },
    { engine: createNoiseEngine() },
  );
  const client = connect(service.target);
  const answer = await new Promise<object>((resolve, reject) => {
    client.GetCapabilities({}, (error, capabilities) => (error ? reject(error) : resolve(capabilities)));
  });
  client.close();
  expect(answer).toMatchObject({
    engine: 'noise',
    models: [{ name: 'noise', dimension_multiple: 8 }],
    response_formats: ['RESPONSE_FORMAT_BINARY', 'RESPONSE_FORMAT_JSON'],
    limits: { max_pixels: '16777216' },
  });
});
