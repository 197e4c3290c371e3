/** The RPC from a caller's side, over a real connection, with archiving off: no NATS is anywhere near. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { credentials, Metadata, status } from '@grpc/grpc-js';
import sharp from 'sharp';
import { expect, test, vi } from 'vitest';
import { BadRequest, ErrorInfo, RetryInfo } from '../../proto/gen/google/rpc/error_details.ts';
import { Status } from '../../proto/gen/google/rpc/status.ts';
import {
  ArchiveState,
  type GenerateImageResponse,
  ImageEncoding,
  ImageGenerationServiceClient,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { type Collected, collect, only, startFixture } from '../_support/image-generation-fixture.ts';
import { createNoiseEngine } from '../_support/noise-engine.ts';
import { wireRequest } from '../_support/wire-request.ts';

const ARCHIVE_OFF = { ENABLE_INTERNAL_S3_UPLOAD: 'false' };

function errorInfo({ error }: Collected): { code: number; info: ErrorInfo; details: Status['details'] } {
  const [trailer] = error?.metadata.get('grpc-status-details-bin') ?? [];
  const rich = Status.decode(trailer as Buffer);
  const info = rich.details.find(({ typeUrl }) => typeUrl.endsWith('google.rpc.ErrorInfo'));
  return {
    code: error?.code ?? 0,
    info: ErrorInfo.decode(info?.value ?? new Uint8Array(0)),
    details: rich.details,
  };
}

/** Resolves when `calls` hooks have been reached; each then waits for `release` or the call's end. */
function gate() {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  let reached = (): void => {};
  const entered = new Promise<void>((resolve) => (reached = resolve));
  return {
    entered,
    open,
    beforeStep: async (_job: unknown, _step: number, signal: AbortSignal): Promise<void> => {
      reached();
      if (signal.aborted) return;
      await Promise.race([opened, once(signal, 'abort')]);
    },
  };
}

test.each([
  ['JPEG', ImageEncoding.IMAGE_ENCODING_JPEG, 'image/jpeg', 'jpeg'],
  ['PNG', ImageEncoding.IMAGE_ENCODING_PNG, 'image/png', 'png'],
  ['WebP', ImageEncoding.IMAGE_ENCODING_WEBP, 'image/webp', 'webp'],
] as const)(
  'a %s caller gets the events in the order of the contract and a whole picture',
  async (_, encoding, mediaType, format) => {
    await using service = await startFixture(ARCHIVE_OFF, { engine: createNoiseEngine() });
    const fields = { imageEncoding: encoding, width: 320, height: 200, seed: 7 };
    const collected = await collect(service.client.generateImage(wireRequest(fields)));

    expect(collected.error).toBeUndefined();
    const kinds = collected.events.map(({ event }) => event?.$case).join(' ');
    expect(kinds).toMatch(/^accepted( progress)+ header( chunk)+ result$/);
    const header = only(collected, 'header');
    expect(header).toMatchObject({
      mediaType,
      width: 320,
      height: 200,
      sizeBytes: BigInt(collected.bytes.length),
    });
    const digest = createHash('sha256').update(collected.bytes).digest();
    expect(digest.equals(header.sha256)).toBe(true);
    expect(await sharp(collected.bytes).metadata()).toMatchObject({ format, width: 320, height: 200 });

    const result = only(collected, 'result');
    expect(result.archive?.state).toBe(ArchiveState.ARCHIVE_STATE_DISABLED);
    // With archiving off the JPEG is not made for its hash alone.
    expect(result.imageHash).toBe(format === 'jpeg' ? digest.toString('hex') : '');
    expect(result.requestId).toBe(only(collected, 'accepted').requestId);
  },
);

test('chunks follow each other without a gap and keep the configured size', async () => {
  await using service = await startFixture(
    { ...ARCHIVE_OFF, CHUNK_BYTES: '16384' },
    { engine: createNoiseEngine() },
  );
  const { events } = await collect(service.client.generateImage(wireRequest({ width: 512, height: 512 })));
  const chunks = events.flatMap(({ event }) => (event?.$case === 'chunk' ? [event.value] : []));
  expect(chunks.length).toBeGreaterThan(2);
  let expected = 0n;
  for (const { offset, data } of chunks) {
    expect(offset).toBe(expected);
    expected += BigInt(data.length);
  }
  expect(chunks.slice(0, -1).every(({ data }) => data.length === 16_384)).toBe(true);
});

test('`accepted` tells every parameter as it will be used', async () => {
  await using service = await startFixture(ARCHIVE_OFF, { engine: createNoiseEngine() });
  const loras = [{ name: 'grain', strength: 0.5, textEncoderStrength: undefined }];
  const collected = await collect(service.client.generateImage(wireRequest({ loras })));
  const { parameters, engine } = only(collected, 'accepted');
  expect(engine).toBe('noise');
  expect(parameters).toMatchObject({ model: 'noise', width: 256, height: 256, steps: 4, sampler: 'euler' });
  expect(parameters?.loras).toEqual([{ name: 'grain', strength: 0.5, textEncoderStrength: 0.5 }]);
  expect(parameters?.seed).toBe(only(collected, 'result').seed);
});

test('a cancel stops the engine', async () => {
  const hold = gate();
  let ended = (_aborted: boolean): void => {};
  const engineEnded = new Promise<boolean>((resolve) => (ended = resolve));
  const engine = createNoiseEngine({ beforeStep: hold.beforeStep, onEnd: (_, aborted) => ended(aborted) });
  await using service = await startFixture(ARCHIVE_OFF, { engine });
  const stream = service.client.generateImage(wireRequest());
  const collecting = collect(stream);
  await hold.entered;
  stream.cancel();
  expect(await engineEnded).toBe(true);
  expect((await collecting).error?.code).toBe(status.CANCELLED);
});

test('a queued call that is cancelled never reaches the engine', async () => {
  const hold = gate();
  const started: string[] = [];
  const engine = createNoiseEngine({
    beforeStep: (job, step, signal) => {
      started.push(job.prompt);
      return hold.beforeStep(job, step, signal);
    },
  });
  await using service = await startFixture({ ...ARCHIVE_OFF, ENGINE_CONCURRENCY: '1' }, { engine });
  const first = collect(service.client.generateImage(wireRequest({ prompt: 'first' })));
  await hold.entered;
  const queued = service.client.generateImage(wireRequest({ prompt: 'queued' }));
  const position = new Promise<number | undefined>((resolve) => {
    queued.on('data', ({ event }: GenerateImageResponse) => {
      if (event?.$case === 'progress') resolve(event.value.queuePosition);
    });
  });
  expect(await position).toBe(1);
  const cancelled = collect(queued);
  queued.cancel();
  expect((await cancelled).error?.code).toBe(status.CANCELLED);
  await vi.waitFor(() =>
    expect(service.logLines).toContainEqual(expect.objectContaining({ code: 'CANCELLED' })),
  );
  hold.open();
  expect((await first).error).toBeUndefined();
  expect(new Set(started)).toEqual(new Set(['first']));
});

test('a deadline in mid-job is DEADLINE_EXCEEDED and stops the engine', async () => {
  const hold = gate();
  let ended = (_aborted: boolean): void => {};
  const engineEnded = new Promise<boolean>((resolve) => (ended = resolve));
  const engine = createNoiseEngine({ beforeStep: hold.beforeStep, onEnd: (_, aborted) => ended(aborted) });
  await using service = await startFixture(ARCHIVE_OFF, { engine });
  const stream = service.client.generateImage(wireRequest(), new Metadata(), { deadline: Date.now() + 300 });
  expect((await collect(stream)).error?.code).toBe(status.DEADLINE_EXCEEDED);
  expect(await engineEnded).toBe(true);
});

test('a call without a deadline ends at the server’s own limit with details', async () => {
  const hold = gate();
  const engine = createNoiseEngine({ beforeStep: hold.beforeStep });
  await using service = await startFixture({ ...ARCHIVE_OFF, MAX_CALL_SECONDS: '1' }, { engine });
  const collected = await collect(service.client.generateImage(wireRequest()));
  expect(errorInfo(collected)).toMatchObject({
    code: status.DEADLINE_EXCEEDED,
    info: { reason: 'DEADLINE' },
  });
});

test('a deadline beyond the server’s own limit is cut to it, and the engine stops', async () => {
  const hold = gate();
  let ended = (_aborted: boolean): void => {};
  const engineEnded = new Promise<boolean>((resolve) => (ended = resolve));
  const engine = createNoiseEngine({ beforeStep: hold.beforeStep, onEnd: (_, aborted) => ended(aborted) });
  await using service = await startFixture({ ...ARCHIVE_OFF, MAX_CALL_SECONDS: '1' }, { engine });
  const options = { deadline: Date.now() + 600_000 };
  const stream = service.client.generateImage(wireRequest(), new Metadata(), options);
  expect((await collect(stream)).error?.code).toBe(status.DEADLINE_EXCEEDED);
  expect(await engineEnded).toBe(true);
});

test('every violation reaches the caller in the details, the first one in the message too', async () => {
  await using service = await startFixture(ARCHIVE_OFF, { engine: createNoiseEngine() });
  const collected = await collect(
    service.client.generateImage(wireRequest({ prompt: '', steps: 0, width: 8 })),
  );
  const { code, info, details } = errorInfo(collected);
  expect(code).toBe(status.INVALID_ARGUMENT);
  expect(info).toMatchObject({ reason: 'PROMPT_REQUIRED', domain: 'image.sekai' });
  expect(collected.error?.details).toContain('prompt');
  const bad = details.find(({ typeUrl }) => typeUrl.endsWith('BadRequest'));
  const fields = BadRequest.decode(bad?.value ?? new Uint8Array(0)).fieldViolations.map(({ field }) => field);
  expect(fields).toEqual(['prompt', 'height', 'width', 'steps']);
});

test('broken UTF-8 on the wire is an invalid prompt, and the server stays up', async () => {
  await using service = await startFixture(ARCHIVE_OFF, { engine: createNoiseEngine() });
  const raw = Buffer.from([0x12, 0x03, 0x61, 0xff, 0x62]); // field 2 (prompt): "a\xffb"
  const stream = service.client.makeServerStreamRequest(
    '/sekai.image.v1.ImageGenerationService/GenerateImage',
    (bytes: Buffer) => bytes,
    () => ({ event: undefined }),
    raw,
  );
  const collected = await collect(stream);
  expect(errorInfo(collected)).toMatchObject({
    code: status.INVALID_ARGUMENT,
    info: { reason: 'PROMPT_NOT_TEXT' },
  });
  expect((await collect(service.client.generateImage(wireRequest()))).error).toBeUndefined();
});

test('unknown models and LoRAs are NOT_FOUND', async () => {
  await using service = await startFixture(ARCHIVE_OFF, { engine: createNoiseEngine() });
  const model = await collect(service.client.generateImage(wireRequest({ model: 'imagen' })));
  expect(errorInfo(model)).toMatchObject({ code: status.NOT_FOUND, info: { reason: 'MODEL_NOT_FOUND' } });
  const loras = [{ name: 'ghost', strength: undefined, textEncoderStrength: undefined }];
  const lora = await collect(service.client.generateImage(wireRequest({ loras })));
  expect(errorInfo(lora)).toMatchObject({ code: status.NOT_FOUND, info: { reason: 'LORA_NOT_FOUND' } });
});

test('a full queue refuses at once and says when to come back', async () => {
  const hold = gate();
  const engine = createNoiseEngine({ beforeStep: hold.beforeStep });
  const limits = { ENGINE_CONCURRENCY: '1', ENGINE_QUEUE: '0' };
  await using service = await startFixture({ ...ARCHIVE_OFF, ...limits }, { engine });
  const running = collect(service.client.generateImage(wireRequest()));
  await hold.entered;
  const { code, info, details } = errorInfo(await collect(service.client.generateImage(wireRequest())));
  expect({ code, reason: info.reason }).toEqual({ code: status.RESOURCE_EXHAUSTED, reason: 'QUEUE_FULL' });
  const retry = details.find(({ typeUrl }) => typeUrl.endsWith('RetryInfo'));
  // Half a second to a second: no generation has ended yet to learn from.
  const delay = RetryInfo.decode(retry?.value ?? new Uint8Array(0)).retryDelay;
  const delayMs = Number(delay?.seconds) * 1_000 + (delay?.nanos ?? 0) / 1e6;
  expect(delayMs).toBeGreaterThanOrEqual(500);
  expect(delayMs).toBeLessThanOrEqual(1_000);
  hold.open();
  expect((await running).error).toBeUndefined();
});

test('a request id that is in flight is ABORTED, and free again afterwards', async () => {
  const hold = gate();
  const engine = createNoiseEngine({ beforeStep: hold.beforeStep });
  await using service = await startFixture(ARCHIVE_OFF, { engine });
  const requestId = '0190a6a4-5e6b-7cde-8f01-23456789abcd';
  const first = collect(service.client.generateImage(wireRequest({ requestId })));
  await hold.entered;
  const second = await collect(service.client.generateImage(wireRequest({ requestId })));
  expect(errorInfo(second)).toMatchObject({ code: status.ABORTED, info: { reason: 'REQUEST_IN_PROGRESS' } });
  hold.open();
  expect((await first).error).toBeUndefined();
  expect((await collect(service.client.generateImage(wireRequest({ requestId })))).error).toBeUndefined();
});

test('an engine that throws something unexpected gives INTERNAL without its text, which the log has', async () => {
  const engine = createNoiseEngine({
    beforeStep: () => Promise.reject(new Error('password=hunter2 at /srv/model.bin')),
  });
  await using service = await startFixture(ARCHIVE_OFF, { engine });
  const collected = await collect(service.client.generateImage(wireRequest({ prompt: 'a secret garden' })));
  expect(errorInfo(collected)).toMatchObject({ code: status.INTERNAL, info: { reason: 'INTERNAL' } });
  expect(JSON.stringify(collected.error)).not.toContain('hunter2');
  const logged = service.logLines.find(({ msg }) => msg === 'call failed');
  expect(JSON.stringify(logged)).toContain('hunter2');
  expect(JSON.stringify(service.logLines)).not.toContain('secret garden');
});

test('a stop in mid-job lets the running call finish and refuses new ones', async () => {
  const hold = gate();
  const engine = createNoiseEngine({ beforeStep: hold.beforeStep });
  await using service = await startFixture(ARCHIVE_OFF, { engine });
  const running = collect(service.client.generateImage(wireRequest()));
  await hold.entered;
  const stopped = service.service.stop();
  const late = new ImageGenerationServiceClient(service.target, credentials.createInsecure());
  expect((await collect(late.generateImage(wireRequest()))).error?.code).toBe(status.UNAVAILABLE);
  late.close();
  hold.open();
  const collected = await running;
  expect(collected.error).toBeUndefined();
  expect(only(collected, 'header').sizeBytes).toBe(BigInt(collected.bytes.length));
  await stopped;
});

test('the capabilities are those of the engine and the limits those that are checked', async () => {
  await using service = await startFixture(ARCHIVE_OFF, { engine: createNoiseEngine() });
  const answer = await new Promise<Record<string, unknown>>((resolve, reject) => {
    service.client.getCapabilities({}, (error, response) => {
      if (error) reject(error);
      else resolve({ ...response });
    });
  });
  expect(answer).toMatchObject({ engine: 'noise', samplers: ['euler'], loras: [{ name: 'grain' }] });
  expect(answer['limits']).toMatchObject({
    maxPromptBytes: 8192,
    maxDimension: 4096,
    maxChunkBytes: 262_144,
  });
});
