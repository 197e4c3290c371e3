import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GenerateImageResponse } from '../../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { serialiseResponse } from './chunk-serializer.ts';

const chunk = (offset: bigint, data: Uint8Array): GenerateImageResponse => ({
  event: { $case: 'chunk', value: { offset, data } },
});

test('a chunk has exactly the bytes that the generated encoder gives it', () => {
  fc.assert(
    fc.property(
      fc.bigInt(0n, 2n ** 45n),
      fc.uint8Array({ maxLength: 70_000, size: 'max' }),
      (offset, data) => {
        const message = chunk(offset, data);
        expect(serialiseResponse(message).equals(GenerateImageResponse.encode(message).finish())).toBe(true);
      },
    ),
    { numRuns: 100 },
  );
});

test.each([0, 1, 127, 128, 16_383, 16_384, 262_144])(
  'a chunk of %i bytes survives the round trip',
  (length) => {
    const data = new Uint8Array(length).fill(7);
    const message = chunk(BigInt(length) * 3n, data);
    expect(serialiseResponse(message).equals(GenerateImageResponse.encode(message).finish())).toBe(true);
  },
);

test('every other event goes through the generated encoder', () => {
  const header = { mediaType: 'image/png', sizeBytes: 5n, sha256: new Uint8Array(32), width: 8, height: 8 };
  const message: GenerateImageResponse = { event: { $case: 'header', value: header } };
  expect(GenerateImageResponse.decode(serialiseResponse(message)).event?.value).toMatchObject({
    mediaType: 'image/png',
  });
});
