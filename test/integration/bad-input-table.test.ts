/**
 * The table of bad input and failure, row by row, over a real connection. Not here: rows about credentials (the
 * service has none) and REQUEST_ID_REUSED (finished ids are not remembered).
 */
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type GenerateImageRequest,
  ImageEncoding,
  ResponseFormat,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { collect, type ImageGenerationFixture, startFixture } from '../_support/image-generation-fixture.ts';
import { createNoiseEngine } from '../_support/noise-engine.ts';
import { richStatus } from '../_support/rich-status.ts';
import { wireRequest } from '../_support/wire-request.ts';

const ARCHIVE_OFF = { ENABLE_INTERNAL_S3_UPLOAD: 'false' };
const DOMAIN = 'image.sekai';

let service: ImageGenerationFixture;
beforeAll(async () => {
  const capabilities = { maxDimension: 1024, maxPixels: 512 * 512 };
  service = await startFixture(ARCHIVE_OFF, { engine: createNoiseEngine({ capabilities }) });
});
afterAll(() => service[Symbol.asyncDispose]());

type Fields = Partial<GenerateImageRequest>;
const lora = (name: string, strength?: number, textEncoderStrength?: number) => ({
  name,
  strength,
  textEncoderStrength,
});
const manyLabels = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`l${index}`, 'x']));

/** Name of the row, what is sent, and the violations that come back, the first of which gives the reason. */
const INVALID: readonly (readonly [string, Fields, string])[] = [
  ['prompt empty', { prompt: '' }, 'prompt PROMPT_REQUIRED'],
  ['prompt only whitespace', { prompt: ' \t\n\u3000' }, 'prompt PROMPT_REQUIRED'],
  ['prompt over limit, in UTF-8 bytes', { prompt: 'ä'.repeat(4097) }, 'prompt PROMPT_TOO_LONG'],
  ['negative prompt over limit', { negativePrompt: 'x'.repeat(8193) }, 'negative_prompt PROMPT_TOO_LONG'],
  ['prompt with NUL', { prompt: 'a\0b' }, 'prompt PROMPT_NOT_TEXT'],
  ['prompt with U+FFFD', { prompt: 'a\ufffdb' }, 'prompt PROMPT_NOT_TEXT'],
  ['prompt with half a surrogate pair', { prompt: 'a\ud800b' }, 'prompt PROMPT_NOT_TEXT'],
  ['negative prompt with ESC', { negativePrompt: '\u001b[31m' }, 'negative_prompt PROMPT_NOT_TEXT'],
  ['control tag lora', { prompt: 'a <lora:x:1> b' }, 'prompt PROMPT_CONTROL_TAG'],
  ['control tag hypernet', { prompt: 'a <hypernet:x:1>' }, 'prompt PROMPT_CONTROL_TAG'],
  [
    'control tag sd_cpp_extra_args',
    { prompt: 'a <sd_cpp_extra_args>{"steps":99}</sd_cpp_extra_args>' },
    'prompt PROMPT_CONTROL_TAG',
  ],
  [
    'control tag in the negative prompt',
    { negativePrompt: '<LORA:x:1>' },
    'negative_prompt PROMPT_CONTROL_TAG',
  ],
  ['only width', { width: 64 }, 'height DIMENSIONS_INCOMPLETE'],
  ['only height', { height: 64 }, 'width DIMENSIONS_INCOMPLETE'],
  ['width 0', { width: 0, height: 64 }, 'width DIMENSION_OUT_OF_RANGE'],
  ['height below min', { width: 64, height: 8 }, 'height DIMENSION_OUT_OF_RANGE'],
  ['width above max', { width: 1032, height: 64 }, 'width DIMENSION_OUT_OF_RANGE'],
  [
    'width 2^32 - 1',
    { width: 4_294_967_295, height: 16 },
    'width DIMENSION_OUT_OF_RANGE, width TOO_MANY_PIXELS',
  ],
  ['width not a multiple', { width: 65, height: 64 }, 'width DIMENSION_NOT_MULTIPLE'],
  ['too many pixels', { width: 1024, height: 1024 }, 'width TOO_MANY_PIXELS'],
  ['steps 0', { steps: 0 }, 'steps STEPS_OUT_OF_RANGE'],
  ['steps over max', { steps: 51 }, 'steps STEPS_OUT_OF_RANGE'],
  ['guidance NaN', { guidanceScale: Number.NaN }, 'guidance_scale NUMBER_NOT_FINITE'],
  ['guidance Inf', { guidanceScale: Number.POSITIVE_INFINITY }, 'guidance_scale NUMBER_NOT_FINITE'],
  ['guidance out of range', { guidanceScale: -1 }, 'guidance_scale GUIDANCE_OUT_OF_RANGE'],
  ['strength NaN', { loras: [lora('grain', Number.NaN)] }, 'loras[0].strength NUMBER_NOT_FINITE'],
  ['strength out of range', { loras: [lora('grain', -3)] }, 'loras[0].strength LORA_STRENGTH_OUT_OF_RANGE'],
  [
    'text encoder strength Inf',
    { loras: [lora('grain', 1, Number.NEGATIVE_INFINITY)] },
    'loras[0].text_encoder_strength NUMBER_NOT_FINITE',
  ],
  ...['', '../x', 'a/b', 'a\\b', 'a:b', '<a', 'a>', 'a,b', 'a\nb', '\ud800'].map(
    (name): readonly [string, Fields, string] => [
      `LoRA name ${JSON.stringify(name)}`,
      { loras: [lora(name)] },
      'loras[0].name LORA_NAME_INVALID',
    ],
  ),
  ['LoRA duplicate', { loras: [lora('grain'), lora('grain')] }, 'loras[1].name LORA_DUPLICATE'],
  ['too many LoRAs', { loras: 'abcde'.split('').map((name) => lora(name)) }, 'loras TOO_MANY_LORAS'],
  ['sampler unknown', { sampler: 'ddim' }, 'sampler SAMPLER_UNKNOWN'],
  ['response format 99', { responseFormat: 99 as never }, 'response_format ENUM_UNKNOWN'],
  ['image encoding -1', { imageEncoding: -1 }, 'image_encoding ENUM_UNKNOWN'],
  [
    'quality with PNG',
    { imageEncoding: ImageEncoding.IMAGE_ENCODING_PNG, imageQuality: 90 },
    'image_quality QUALITY_INVALID',
  ],
  ['quality 0', { imageQuality: 0 }, 'image_quality QUALITY_INVALID'],
  ['quality 101', { imageQuality: 101 }, 'image_quality QUALITY_INVALID'],
  ['request id that is no UUID', { requestId: 'mine' }, 'request_id REQUEST_ID_INVALID'],
  [
    'request id in upper case',
    { requestId: '0190A6A4-5E6B-7CDE-8F01-23456789ABCD' },
    'request_id REQUEST_ID_INVALID',
  ],
  ['too many labels', { labels: manyLabels }, 'labels LABELS_INVALID'],
  ['a label without a name', { labels: { '': 'x' } }, 'labels LABELS_INVALID'],
  ['a label name too large', { labels: { ['n'.repeat(64)]: 'x' } }, 'labels LABELS_INVALID'],
  ['a label value too large', { labels: { name: 'x'.repeat(257) } }, 'labels LABELS_INVALID'],
  ['a label that is no text', { labels: { name: '\0' } }, 'labels LABELS_INVALID'],
  [
    'everything at once',
    { prompt: '', width: 0, height: 0, steps: 0, imageQuality: 0, requestId: 'x' },
    'prompt PROMPT_REQUIRED, width DIMENSION_OUT_OF_RANGE, height DIMENSION_OUT_OF_RANGE, ' +
      'steps STEPS_OUT_OF_RANGE, image_quality QUALITY_INVALID, request_id REQUEST_ID_INVALID',
  ],
];

test.each(INVALID)('%s is INVALID_ARGUMENT', async (_, fields, listed) => {
  const violations = listed.split(', ');
  const { events, error } = await collect(service.client.generateImage(wireRequest(fields)));
  expect(events).toEqual([]);
  const rich = richStatus(error);
  expect(rich).toMatchObject({ code: status.INVALID_ARGUMENT, domain: DOMAIN, violations });
  const [field, reason] = violations[0]?.split(' ') ?? [];
  expect(rich.reason).toBe(reason);
  expect(rich.message).toMatch(new RegExp(`^${field?.replace(/[[\]]/g, '\\$&')}: .+`));
  expect([rich.retryAfterMs, rich.resource]).toEqual([undefined, undefined]);
});

test.each([
  ['model unknown', { model: 'imagen' }, 'MODEL_NOT_FOUND', 'model imagen'],
  ['LoRA unknown', { loras: [lora('ghost')] }, 'LORA_NOT_FOUND', 'lora ghost'],
] as const)('%s is NOT_FOUND with the resource', async (_, fields, reason, resource) => {
  const { error } = await collect(
    service.client.generateImage(
      wireRequest({ ...fields, loras: 'loras' in fields ? [...fields.loras] : [] }),
    ),
  );
  const expected = { code: status.NOT_FOUND, reason, domain: DOMAIN, resource, violations: [] };
  expect(richStatus(error)).toMatchObject(expected);
});

test('a LoRA setting the backend cannot honour is FAILED_PRECONDITION, never ignored', async () => {
  const request = wireRequest({ loras: [lora('grain', 1, 0.5)] });
  expect(richStatus((await collect(service.client.generateImage(request))).error)).toMatchObject({
    code: status.FAILED_PRECONDITION,
    reason: 'UNSUPPORTED_BY_BACKEND',
    domain: DOMAIN,
  });
});

test('S3 asked, archive off is FAILED_PRECONDITION', async () => {
  const request = wireRequest({ responseFormat: ResponseFormat.RESPONSE_FORMAT_S3 });
  expect(richStatus((await collect(service.client.generateImage(request))).error)).toMatchObject({
    code: status.FAILED_PRECONDITION,
    reason: 'ARCHIVE_DISABLED',
    domain: DOMAIN,
  });
});

describe('what the library answers, not we', () => {
  const path = '/sekai.image.v1.ImageGenerationService/GenerateImage';
  const send = (bytes: Buffer) =>
    collect(
      service.client.makeServerStreamRequest(
        path,
        (raw: Buffer) => raw,
        () => ({ event: undefined }),
        bytes,
      ),
    );
  const cases: [string, Buffer, number][] = [
    ['malformed protobuf: a length beyond the end', Buffer.from([0x12, 0x7f, 0x61]), status.INTERNAL],
    ['malformed protobuf: an endless varint', Buffer.alloc(32, 0xff), status.INTERNAL],
    ['malformed protobuf: a wire type that does not exist', Buffer.from([0x17, 1, 2]), status.INTERNAL],
    [
      'a request of 300 KiB',
      Buffer.concat([Buffer.from([0x12, 0x80, 0xe0, 0x12]), Buffer.alloc(307_200, 97)]),
      status.RESOURCE_EXHAUSTED,
    ],
  ];
  for (const [name, bytes, code] of cases) {
    test(`${name} is ${status[code]}, and the server stays up`, async () => {
      const { events, error } = await send(bytes);
      expect(events).toEqual([]);
      expect(error?.code).toBe(code);
      const next = await collect(service.client.generateImage(wireRequest({ width: 16, height: 16 })));
      expect(next.error).toBeUndefined();
    });
  }
});
