/** The table of bad input and failure: the rows in which the engine, or the state of the service, is at fault. */
import { once } from 'node:events';
import { status } from '@grpc/grpc-js';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { ImageEncoding } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { EngineError, type EngineFailure } from '../../services/image-generation/errors.ts';
import type { EngineEvent, EngineImage, EngineJob } from '../../services/image-generation/image-engine.ts';
import { collect, startFixture } from '../_support/image-generation-fixture.ts';
import { createNoiseEngine, type NoiseEngineOptions } from '../_support/noise-engine.ts';
import { richStatus } from '../_support/rich-status.ts';
import { wireRequest } from '../_support/wire-request.ts';

const ARCHIVE_OFF = { ENABLE_INTERNAL_S3_UPLOAD: 'false' };
const DOMAIN = 'image.sekai';
/** What an engine says about itself, and no caller may see. */
const SECRET = 'CUDA error at /srv/models/secret.safetensors';

async function callWith(options: NoiseEngineOptions, fields: Parameters<typeof wireRequest>[0] = {}) {
  await using service = await startFixture(ARCHIVE_OFF, { engine: createNoiseEngine(options) });
  const collected = await collect(
    service.client.generateImage(wireRequest({ width: 64, height: 64, prompt: 'a hidden door', ...fields })),
  );
  return { ...collected, logLines: service.logLines };
}

const answering = (image: EngineImage): NoiseEngineOptions => ({
  image: ({ seed }: EngineJob): EngineEvent => ({ type: 'image', image, seed, warnings: [] }),
});
const file = (bytes: Uint8Array): NoiseEngineOptions => answering({ kind: 'file', bytes });

const FAILURES: readonly (readonly [string, EngineFailure, number, string, { retryAfterMs?: number }])[] = [
  [
    'engine refused the connection, or drains',
    'UNAVAILABLE',
    status.UNAVAILABLE,
    'BACKEND_UNAVAILABLE',
    { retryAfterMs: 1000 },
  ],
  ['engine 429', 'OVERLOADED', status.RESOURCE_EXHAUSTED, 'QUEUE_FULL', { retryAfterMs: 1000 }],
  ['engine out of GPU memory', 'OUT_OF_MEMORY', status.RESOURCE_EXHAUSTED, 'BACKEND_OUT_OF_MEMORY', {}],
  ['engine 500', 'FAILED', status.INTERNAL, 'BACKEND_FAILED', {}],
  ['engine rejects a parameter we sent', 'REJECTED', status.INTERNAL, 'BACKEND_REJECTED', {}],
  ['engine 200 without an image', 'BAD_RESPONSE', status.INTERNAL, 'BACKEND_BAD_RESPONSE', {}],
  ['file truncated, seen by the adapter', 'IMAGE_CORRUPT', status.DATA_LOSS, 'IMAGE_CORRUPT', {}],
  ['content filter took the image', 'CONTENT_FILTERED', status.FAILED_PRECONDITION, 'CONTENT_FILTERED', {}],
  ['engine time limit', 'TIMEOUT', status.DEADLINE_EXCEEDED, 'BACKEND_TIMEOUT', {}],
];

test.each(FAILURES)('%s: %s', async (_, failure, code, reason, { retryAfterMs }) => {
  const error = new EngineError(failure, 'the engine could not', { cause: new Error(SECRET) });
  const { events, logLines, ...ended } = await callWith({ beforeStep: () => Promise.reject(error) });
  const rich = richStatus(ended.error);
  expect(rich).toMatchObject({
    code,
    reason,
    domain: DOMAIN,
    message: 'the engine could not',
    violations: [],
  });
  expect(rich.retryAfterMs).toBe(retryAfterMs);
  expect(rich.everything).not.toContain('secret');
  expect(events.map(({ event }) => event?.$case)).toEqual(['accepted']);
  // Everyday refusals aside, the operator finds the engine's own words in the log.
  const everyday = failure === 'OVERLOADED' || failure === 'CONTENT_FILTERED';
  expect(JSON.stringify(logLines).includes(SECRET)).toBe(!everyday);
  expect(JSON.stringify(logLines)).not.toContain('hidden door');
});

describe('engine 200, but', async () => {
  const noise = sharp(Buffer.alloc(64 * 64 * 3, 'noise, or nearly so'), {
    raw: { width: 64, height: 64, channels: 3 },
  });
  const [jpeg, png, webp] = [
    await noise.jpeg().toBuffer(),
    await noise.png().toBuffer(),
    await noise.webp().toBuffer(),
  ];
  const other = await sharp(jpeg).resize(72, 64).jpeg().toBuffer();
  const flipped = Buffer.from(png);
  const middle = flipped.length >> 1;
  flipped[middle] = (flipped[middle] ?? 0) ^ 0xff;
  // 30,000 x 30,000 pixels in a few bytes.
  const bomb = Buffer.from(png);
  bomb.writeUInt32BE(30_000, 16);
  bomb.writeUInt32BE(30_000, 20);

  const BAD = [status.INTERNAL, 'BACKEND_BAD_RESPONSE'] as const;
  const CORRUPT = [status.DATA_LOSS, 'IMAGE_CORRUPT'] as const;
  const cases: readonly (readonly [string, NoiseEngineOptions, readonly [number, string]])[] = [
    ['no bytes', file(new Uint8Array(0)), BAD],
    ['an HTML page', file(Buffer.from(`<html><body>502 ${SECRET}</body></html>`)), BAD],
    ['JSON', file(Buffer.from('{"error":"no"}')), BAD],
    [
      'an SVG, which libvips would draw',
      file(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"/>')),
      BAD,
    ],
    ['a picture of another size', file(other), BAD],
    [
      'pixels that are too few',
      answering({ kind: 'pixels', data: new Uint8Array(9), width: 64, height: 64 }),
      BAD,
    ],
    [
      'pixels of another size',
      answering({ kind: 'pixels', data: new Uint8Array(72 * 64 * 3), width: 72, height: 64 }),
      BAD,
    ],
    ['a JPEG cut in half', file(jpeg.subarray(0, jpeg.length >> 1)), CORRUPT],
    ['a JPEG without EOI', file(jpeg.subarray(0, -2)), CORRUPT],
    ['the first bytes of a JPEG', file(jpeg.subarray(0, 10)), CORRUPT],
    ['a PNG cut in half', file(png.subarray(0, png.length >> 1)), CORRUPT],
    ['a PNG without IEND', file(png.subarray(0, -12)), CORRUPT],
    ['a PNG with a flipped byte', file(flipped), CORRUPT],
    ['a PNG that claims 900 megapixels', file(bomb), BAD],
    ['a WebP without its last byte', file(webp.subarray(0, -1)), CORRUPT],
  ];
  for (const [name, options, [code, reason]] of cases) {
    for (const imageEncoding of [ImageEncoding.IMAGE_ENCODING_JPEG, ImageEncoding.IMAGE_ENCODING_PNG]) {
      test(`${name}: ${reason} for a ${imageEncoding === 1 ? 'JPEG' : 'PNG'} caller, and no header`, async () => {
        const { events, error } = await callWith(options, { imageEncoding });
        const rich = richStatus(error);
        expect(rich).toMatchObject({ code, reason, domain: DOMAIN, retryAfterMs: undefined });
        expect(rich.everything).not.toContain('secret');
        expect(events.map(({ event }) => event?.$case)).not.toContain('header');
      });
    }
  }

  test.each([
    ['JPEG', jpeg],
    ['PNG', png],
    ['WebP', webp],
  ])('a whole %s is taken', async (_, bytes) => {
    const { error, events } = await callWith(file(bytes));
    expect(error).toBeUndefined();
    expect(events.at(-1)?.event?.$case).toBe('result');
  });

  test('no image event at all is BACKEND_BAD_RESPONSE', async () => {
    const preview: EngineEvent = { type: 'preview', mediaType: 'image/jpeg', data: jpeg };
    const { error } = await callWith({ image: () => preview });
    expect(richStatus(error)).toMatchObject({ code: status.INTERNAL, reason: 'BACKEND_BAD_RESPONSE' });
  });
});

/** An engine that holds every job until the test opens it. */
function heldEngine() {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  let reached = (): void => {};
  const entered = new Promise<void>((resolve) => (reached = resolve));
  const engine = createNoiseEngine({
    beforeStep: async (_job, _step, signal) => {
      reached();
      if (!signal.aborted) await Promise.race([opened, once(signal, 'abort')]);
    },
  });
  return { engine, entered, open };
}

test('our queue full: QUEUE_FULL with RetryInfo', async () => {
  const { engine, entered, open } = heldEngine();
  const limits = { ...ARCHIVE_OFF, ENGINE_CONCURRENCY: '1', ENGINE_QUEUE: '0' };
  await using service = await startFixture(limits, { engine });
  const running = collect(service.client.generateImage(wireRequest()));
  await entered;
  const { error } = await collect(service.client.generateImage(wireRequest()));
  const refusal = richStatus(error);
  const expected = { code: status.RESOURCE_EXHAUSTED, reason: 'QUEUE_FULL', domain: DOMAIN };
  expect(refusal).toMatchObject(expected);
  expect(refusal.retryAfterMs).toBeGreaterThanOrEqual(100);
  open();
  expect((await running).error).toBeUndefined();
});

test('request id in flight: REQUEST_IN_PROGRESS', async () => {
  const { engine, entered, open } = heldEngine();
  await using service = await startFixture(ARCHIVE_OFF, { engine });
  const requestId = '0190a6a4-5e6b-7cde-8f01-23456789abcd';
  const running = collect(service.client.generateImage(wireRequest({ requestId })));
  await entered;
  const { error } = await collect(service.client.generateImage(wireRequest({ requestId })));
  const expected = { code: status.ABORTED, reason: 'REQUEST_IN_PROGRESS', domain: DOMAIN };
  expect(richStatus(error)).toMatchObject(expected);
  open();
  expect((await running).error).toBeUndefined();
});

test('the service stops while a call is queued for too long: SHUTTING_DOWN with RetryInfo', async () => {
  const { engine, entered, open } = heldEngine();
  const limits = { ...ARCHIVE_OFF, ENGINE_CONCURRENCY: '1', STOP_CALLS_SECONDS: '1' };
  await using service = await startFixture(limits, { engine });
  const running = collect(service.client.generateImage(wireRequest()));
  await entered;
  const stream = service.client.generateImage(wireRequest());
  const queued = collect(stream);
  await once(stream, 'data');
  const stopped = service.service.stop();
  const expected = { code: status.UNAVAILABLE, reason: 'SHUTTING_DOWN', domain: DOMAIN, retryAfterMs: 1000 };
  expect(richStatus((await queued).error)).toMatchObject(expected);
  open();
  expect((await running).error).toBeUndefined();
  await stopped;
});

test('deadline passed, the server’s own: DEADLINE', async () => {
  const { engine } = heldEngine();
  await using service = await startFixture({ ...ARCHIVE_OFF, MAX_CALL_SECONDS: '1' }, { engine });
  const { error } = await collect(service.client.generateImage(wireRequest()));
  const expected = { code: status.DEADLINE_EXCEEDED, reason: 'DEADLINE', domain: DOMAIN };
  expect(richStatus(error)).toMatchObject(expected);
});

test('an exception nobody foresaw: INTERNAL, without its text', async () => {
  const { error, logLines } = await callWith({ beforeStep: () => Promise.reject(new TypeError(SECRET)) });
  const rich = richStatus(error);
  expect(rich).toMatchObject({ code: status.INTERNAL, reason: 'INTERNAL', domain: DOMAIN });
  expect(rich.everything).not.toContain('secret');
  expect(JSON.stringify(logLines)).toContain(SECRET);
});
