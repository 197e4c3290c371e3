import { describe, expect, test } from 'vitest';
import { ImageEncoding } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { createNoiseEngine } from '../../test/_support/noise-engine.ts';
import { wireRequest } from '../../test/_support/wire-request.ts';
import { InvalidRequestError, NotFoundError, PreconditionError } from './errors.ts';
import { checkImageRequest, DEFAULT_IMAGE_QUALITY } from './image-request.ts';

const engine = await createNoiseEngine().capabilities(new AbortController().signal);
const check = (fields: Parameters<typeof wireRequest>[0]) => checkImageRequest(wireRequest(fields), engine);

function violations(fields: Parameters<typeof wireRequest>[0]): { field: string; reason: string }[] {
  try {
    check(fields);
  } catch (error) {
    if (error instanceof InvalidRequestError)
      return error.violations.map(({ field, reason }) => ({ field, reason }));
    throw error;
  }
  return [];
}

describe('a good request', () => {
  test('gets every default filled in, a drawn seed and a request id included', () => {
    const { job, format, quality, responseFormat } = check({});
    expect(job).toMatchObject({
      model: 'noise',
      width: 256,
      height: 256,
      steps: 4,
      sampler: 'euler',
      loras: [],
    });
    expect(job.seed).toBeGreaterThanOrEqual(1);
    expect(job.seed).toBeLessThan(2 ** 31);
    expect(job.requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect({ format, quality, responseFormat }).toEqual({
      format: 'jpeg',
      quality: DEFAULT_IMAGE_QUALITY,
      responseFormat: 'binary',
    });
  });

  test('keeps seed zero and strength zero, which are real values', () => {
    const { job } = check({
      seed: 0,
      loras: [{ name: 'grain', strength: 0, textEncoderStrength: undefined }],
    });
    expect(job.seed).toBe(0);
    expect(job.loras).toEqual([{ name: 'grain', strength: 0, textEncoderStrength: 0 }]);
  });

  test('is warned of what the model ignores', () => {
    const reasons = check({ negativePrompt: 'people', guidanceScale: 7 }).warnings.map(
      ({ reason }) => reason,
    );
    expect(reasons).toEqual(['NEGATIVE_PROMPT_IGNORED', 'GUIDANCE_SCALE_IGNORED']);
  });

  test.each(['a < b and b > c', 'an arrow -> here', 'line\nbreak and\ttab', 'rain <3', 'ratio 3:2 >'])(
    'may hold angle brackets that are no tag: %j',
    (prompt) => {
      expect(violations({ prompt })).toEqual([]);
    },
  );
});

describe('an invalid request', () => {
  const lora = (name: string, strength?: number) => [{ name, strength, textEncoderStrength: undefined }];
  test.each([
    ['PROMPT_REQUIRED', 'prompt', { prompt: '' }],
    ['PROMPT_REQUIRED', 'prompt', { prompt: ' \n\t ' }],
    ['PROMPT_TOO_LONG', 'prompt', { prompt: 'é'.repeat(4097) }],
    ['PROMPT_TOO_LONG', 'negative_prompt', { negativePrompt: 'x'.repeat(8193) }],
    ['PROMPT_NOT_TEXT', 'prompt', { prompt: 'broken \ufffd utf-8' }],
    ['PROMPT_NOT_TEXT', 'prompt', { prompt: 'nul \u0000 byte' }],
    ['PROMPT_CONTROL_TAG', 'prompt', { prompt: 'a sea <lora:evil:1>' }],
    ['PROMPT_CONTROL_TAG', 'prompt', { prompt: 'a sea <lora:evil:1' }],
    ['PROMPT_CONTROL_TAG', 'prompt', { prompt: '<hypernet:x:0.5> sea' }],
    ['PROMPT_CONTROL_TAG', 'prompt', { prompt: '<a:<b> sea' }],
    [
      'PROMPT_CONTROL_TAG',
      'negative_prompt',
      { negativePrompt: '<sd_cpp_extra_args>{}</sd_cpp_extra_args>' },
    ],
    ['DIMENSIONS_INCOMPLETE', 'height', { width: 256 }],
    ['DIMENSION_OUT_OF_RANGE', 'width', { width: 0, height: 256 }],
    ['DIMENSION_OUT_OF_RANGE', 'height', { width: 256, height: 100_000 }],
    ['DIMENSION_NOT_MULTIPLE', 'width', { width: 257, height: 256 }],
    ['STEPS_OUT_OF_RANGE', 'steps', { steps: 0 }],
    ['STEPS_OUT_OF_RANGE', 'steps', { steps: 51 }],
    ['NUMBER_NOT_FINITE', 'guidance_scale', { guidanceScale: Number.NaN }],
    ['NUMBER_NOT_FINITE', 'guidance_scale', { guidanceScale: Number.POSITIVE_INFINITY }],
    ['GUIDANCE_OUT_OF_RANGE', 'guidance_scale', { guidanceScale: -1 }],
    ['NUMBER_NOT_FINITE', 'loras[0].strength', { loras: lora('grain', Number.NaN) }],
    ['LORA_STRENGTH_OUT_OF_RANGE', 'loras[0].strength', { loras: lora('grain', 2.5) }],
    ['LORA_NAME_INVALID', 'loras[0].name', { loras: lora('') }],
    ['LORA_NAME_INVALID', 'loras[0].name', { loras: lora('../../etc/passwd') }],
    ['LORA_NAME_INVALID', 'loras[0].name', { loras: lora('a:1>') }],
    ['LORA_DUPLICATE', 'loras[1].name', { loras: [...lora('grain'), ...lora('grain')] }],
    ['TOO_MANY_LORAS', 'loras', { loras: Array.from({ length: 5 }, (_, i) => lora(`l${i}`)).flat() }],
    ['SAMPLER_UNKNOWN', 'sampler', { sampler: 'magic' }],
    ['ENUM_UNKNOWN', 'image_encoding', { imageEncoding: 99 as ImageEncoding }],
    ['ENUM_UNKNOWN', 'response_format', { responseFormat: 42 as never }],
    ['QUALITY_INVALID', 'image_quality', { imageQuality: 0 }],
    [
      'QUALITY_INVALID',
      'image_quality',
      { imageQuality: 90, imageEncoding: ImageEncoding.IMAGE_ENCODING_PNG },
    ],
    ['REQUEST_ID_INVALID', 'request_id', { requestId: 'not-a-uuid' }],
    ['REQUEST_ID_INVALID', 'request_id', { requestId: '6F9619FF-8B86-D011-B42D-00C04FC964FF' }],
    ['LABELS_INVALID', 'labels', { labels: { '': 'x' } }],
    ['LABELS_INVALID', 'labels', { labels: { team: 'x'.repeat(257) } }],
  ] as const)('is refused with %s at %s', (reason, field, fields) => {
    expect(violations(fields as Parameters<typeof wireRequest>[0])).toContainEqual({ field, reason });
  });

  test('hears of every violation at once', () => {
    const found = violations({ prompt: '', width: 7, seed: 1, steps: 0, requestId: 'x', sampler: 'magic' });
    expect(found.map(({ reason }) => reason)).toEqual([
      'PROMPT_REQUIRED',
      'DIMENSIONS_INCOMPLETE',
      'DIMENSION_OUT_OF_RANGE',
      'STEPS_OUT_OF_RANGE',
      'SAMPLER_UNKNOWN',
      'REQUEST_ID_INVALID',
    ]);
  });

  test('is told the nearest good size', () => {
    expect(() => check({ width: 257, height: 256 })).toThrow(/nearest is 256/);
  });

  test('with an unclosed tag of 200 kB is refused without slowing the process', () => {
    const started = performance.now();
    expect(violations({ prompt: '<a:'.repeat(70_000) })).toEqual([
      { field: 'prompt', reason: 'PROMPT_TOO_LONG' },
      { field: 'prompt', reason: 'PROMPT_CONTROL_TAG' },
    ]);
    // A quadratic pattern takes minutes here; the limit only tells linear from quadratic.
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

test('an unknown model or LoRA is not found, once the rest is good', () => {
  expect(() => check({ model: 'imagen' })).toThrow(NotFoundError);
  const unknown = [{ name: 'ghost', strength: 1, textEncoderStrength: undefined }];
  expect(() => check({ loras: unknown })).toThrow(NotFoundError);
  expect(violations({ loras: unknown, prompt: '' })).toEqual([
    { field: 'prompt', reason: 'PROMPT_REQUIRED' },
  ]);
});

test('a text encoder strength of its own is a precondition this engine does not meet', () => {
  const loras = [{ name: 'grain', strength: 1, textEncoderStrength: 0.5 }];
  expect(() => check({ loras })).toThrow(PreconditionError);
});

test('response format S3 is about a JPEG, whatever encoding was asked for, and says so', () => {
  const { format, quality, warnings } = check({
    responseFormat: 3,
    imageEncoding: ImageEncoding.IMAGE_ENCODING_WEBP,
    imageQuality: 40,
  });
  expect({ format, quality }).toEqual({ format: 'jpeg', quality: 40 });
  expect(warnings).toMatchObject([{ reason: 'IMAGE_ENCODING_REPLACED', field: 'image_encoding' }]);
  expect(check({ responseFormat: 3 }).warnings).toEqual([]);
});
