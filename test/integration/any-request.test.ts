/** Whatever a caller sends, the answer is one of the contract's, and the server stays up. */
import { status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type {
  GenerateImageRequest,
  LoraSettings,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { collect, type ImageGenerationFixture, startFixture } from '../_support/image-generation-fixture.ts';
import { createNoiseEngine } from '../_support/noise-engine.ts';
import { richStatus } from '../_support/rich-status.ts';

const RUNS = 1_000;
/** A failure prints its seed and path; SEED= repeats it, and without one every machine sees the same requests. */
const SEED = Number(process.env['SEED'] ?? 20_250_101);

/** Text of every kind, lone surrogates and control characters included, and often something that is valid. */
const anyText = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('', 'a calm sea', 'grain', 'euler', 'noise') },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 })
    .map((units) => String.fromCharCode(...units)),
  fc.constantFrom(
    '\0',
    '\ud800',
    '<lora:x:1>',
    '<sd_cpp_extra_args>',
    '../../etc/passwd',
    '\u202e',
    '<a:'.repeat(2_000),
  ),
  fc.integer({ min: 8_190, max: 8_194 }).map((length) => 'x'.repeat(length)),
  fc.uuid(),
);
const anyUint32 = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(16, 24, 64) },
  fc.constantFrom(0, 1, 15, 17, 4_096, 4_097, 2 ** 31, 2 ** 32 - 1),
  fc.nat({ max: 2 ** 32 - 1 }),
);
const anyFloat = fc.oneof(
  fc.constantFrom(0, -0, 1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3.4e38, 1e-45),
  fc.float(),
);
const anyEnum = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(0, 1, 2) },
  fc.constantFrom(3, 99, -1, 2 ** 31 - 1, -(2 ** 31)),
);
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 3 });
/** Mostly the valid value, so that requests get past the first check. */
const mostly = <T>(value: T, arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(value) }, { weight: 1, arbitrary });

const anyLora: fc.Arbitrary<LoraSettings> = fc.record({
  name: mostly('grain', anyText),
  strength: optional(anyFloat),
  textEncoderStrength: mostly<number | undefined>(undefined, anyFloat),
});

/** Sizes are small or refused: the largest that are accepted are 64 pixels. */
const anySize = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom({ width: 16, height: 16 }, { width: 64, height: 24 }) },
  fc.record({ width: optional(anyUint32), height: optional(anyUint32) }),
);

const anyRequest: fc.Arbitrary<GenerateImageRequest> = fc
  .tuple(
    anySize,
    fc.record({
      requestId: mostly('', anyText),
      prompt: mostly('a calm sea', anyText),
      negativePrompt: mostly('', anyText),
      model: mostly('', anyText),
      seed: optional(anyUint32),
      steps: mostly<number | undefined>(undefined, anyUint32),
      guidanceScale: mostly<number | undefined>(undefined, anyFloat),
      sampler: mostly('', anyText),
      loras: mostly<LoraSettings[]>([], fc.array(anyLora, { maxLength: 300 })),
      responseFormat: mostly(1, anyEnum),
      imageEncoding: anyEnum,
      imageQuality: mostly<number | undefined>(undefined, anyUint32),
      includePreviews: fc.boolean(),
      labels: mostly<Record<string, string>>({}, fc.dictionary(anyText, anyText, { maxKeys: 60 })),
    }),
  )
  .map(([size, fields]) => ({ ...size, ...fields }) as GenerateImageRequest);

/** What may come back; UNKNOWN and INTERNAL are not among them. */
const EXPECTED: readonly number[] = [
  status.OK,
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.FAILED_PRECONDITION,
  // Requests of more than 256 KiB never reach us.
  status.RESOURCE_EXHAUSTED,
];

/** Sends the request; returns the code. @throws {Error} that says what about the answer breaks the contract. */
async function check(service: ImageGenerationFixture, request: GenerateImageRequest): Promise<number> {
  const collected = await collect(service.client.generateImage(request));
  const code = collected.error?.code ?? status.OK;
  if (!EXPECTED.includes(code)) throw new Error(`${status[code]}: ${collected.error?.details}`);
  const kinds = collected.events.map(({ event }) => event?.$case).join(' ');
  const order = code === status.OK ? /^accepted( progress)*( header( chunk)+)? result$/ : /^$/;
  if (!order.test(kinds)) throw new Error(`${status[code]} after ${kinds}`);
  // The library refuses requests of more than 256 KiB by itself, without details.
  if (code === status.OK || code === status.RESOURCE_EXHAUSTED) return code;
  const { reason, message, violations } = richStatus(collected.error);
  if (!/^[A-Z][A-Z_]+$/.test(reason) || message === '') throw new Error(`reason "${reason}", "${message}"`);
  const invalid = code === status.INVALID_ARGUMENT;
  if (invalid !== violations.length > 0)
    throw new Error(`${status[code]} with ${violations.length} violations`);
  return code;
}

test(`${RUNS} arbitrary requests: never UNKNOWN or INTERNAL, never OK without a result`, async () => {
  const capabilities = { maxDimension: 64, maxPixels: 64 * 64 };
  await using service = await startFixture(
    { ENABLE_INTERNAL_S3_UPLOAD: 'false', LOG_LEVEL: 'info' },
    { engine: createNoiseEngine({ steps: 1, capabilities }) },
  );
  const counts = new Map<number, number>();
  const property = fc.asyncProperty(anyRequest, async (request) => {
    const code = await check(service, request);
    counts.set(code, (counts.get(code) ?? 0) + 1);
  });
  await fc.assert(property, { numRuns: RUNS, seed: SEED, endOnFailure: false });
  // The requests are worth something: every kind of answer was seen, and many got as far as an image.
  expect(counts.get(status.OK)).toBeGreaterThan(RUNS / 20);
  for (const code of EXPECTED.slice(1, 4)) expect(counts.get(code)).toBeGreaterThan(0);
  const failed = service.logLines.filter(({ msg }) => msg === 'call failed');
  expect(failed).toEqual([]);
}, 60_000);
