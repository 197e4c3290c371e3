import { Server, ServerCredentials, credentials } from '@grpc/grpc-js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  GenerateImageResponse,
  ImageGenerationServiceClient,
  ImageGenerationServiceService,
} from '../../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { collect } from '../../../test/_support/image-generation-fixture.ts';
import { wireRequest } from '../../../test/_support/wire-request.ts';
import { serialiseResponse } from './chunk-serializer.ts';

/** Before and behind the message, as grpc-js's frame has a head. */
const MARGIN = 5;
const chunk = (offset: bigint, data: Uint8Array): GenerateImageResponse => ({
  event: { $case: 'chunk', value: { offset, data } },
});

/** The message as it stands in a frame; nothing around it may have been touched. */
function framed(message: GenerateImageResponse): Buffer {
  const serialised = serialiseResponse(message);
  const frame = Buffer.alloc(MARGIN + serialised.byteLength + MARGIN, 0xee);
  expect(serialised.copy(frame, MARGIN)).toBe(serialised.byteLength);
  const around = Buffer.concat([frame.subarray(0, MARGIN), frame.subarray(-MARGIN)]);
  expect(around.equals(Buffer.alloc(2 * MARGIN, 0xee))).toBe(true);
  return frame.subarray(MARGIN, -MARGIN);
}

test('a chunk has exactly the bytes that the generated encoder gives it', () => {
  fc.assert(
    fc.property(
      fc.bigInt(0n, 2n ** 45n),
      fc.uint8Array({ maxLength: 70_000, size: 'max' }),
      (offset, data) => {
        const message = chunk(offset, data);
        expect(framed(message).equals(GenerateImageResponse.encode(message).finish())).toBe(true);
      },
    ),
    { numRuns: 100 },
  );
});

test.each([0, 1, 127, 128, 16_383, 16_384, 262_144])(
  'a chunk of %i bytes survives the round trip',
  (length) => {
    const message = chunk(BigInt(length) * 3n, new Uint8Array(length).fill(7));
    expect(framed(message).equals(GenerateImageResponse.encode(message).finish())).toBe(true);
  },
);

test('every other event goes through the generated encoder', () => {
  const header = { mediaType: 'image/png', sizeBytes: 5n, sha256: new Uint8Array(32), width: 8, height: 8 };
  const message: GenerateImageResponse = { event: { $case: 'header', value: header } };
  expect(GenerateImageResponse.decode(framed(message)).event?.value).toMatchObject({
    mediaType: 'image/png',
  });
});

test('grpc-js asks a serialised chunk for nothing but its length and a copy', async () => {
  const asked = new Set<PropertyKey>();
  const watched = (message: GenerateImageResponse): Buffer => {
    const serialised = serialiseResponse(message);
    return new Proxy(serialised, {
      get(target, name) {
        asked.add(name);
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
      },
    });
  };
  const { generateImage } = ImageGenerationServiceService;
  const server = new Server();
  server.addService(
    { generateImage: { ...generateImage, responseSerialize: watched } },
    {
      generateImage: (call: { write(message: unknown): void; end(): void }) => {
        call.write(chunk(0n, new Uint8Array(100).fill(7)));
        call.end();
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const client = new ImageGenerationServiceClient(`127.0.0.1:${port}`, credentials.createInsecure());
  const { bytes, error } = await collect(client.generateImage(wireRequest()));
  client.close();
  server.forceShutdown();
  expect(error).toBeUndefined();
  expect(bytes.equals(Buffer.alloc(100, 7))).toBe(true);
  expect(asked).toEqual(new Set(['byteLength', 'copy']));
});
