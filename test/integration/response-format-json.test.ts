/** Response format JSON with every process real. */
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { ImageEncoding, ResponseFormat } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { sha256Hex, startStackFixture } from '../_support/stack-fixture.ts';

interface Document {
  readonly image_hash: string;
  readonly request_id: string;
  readonly parameters: Record<string, unknown>;
  readonly data: readonly [
    { readonly b64_json: string; readonly sha256: string; readonly media_type: string },
  ];
}

test.each([
  ['jpeg', ImageEncoding.IMAGE_ENCODING_JPEG],
  ['png', ImageEncoding.IMAGE_ENCODING_PNG],
  ['webp', ImageEncoding.IMAGE_ENCODING_WEBP],
] as const)(
  'a JSON document holds a whole %s and the hash of the stored JPEG',
  async (format, imageEncoding) => {
    await using system = await startStackFixture();
    const { bytes, header, result } = await system.generate({
      responseFormat: ResponseFormat.RESPONSE_FORMAT_JSON,
      imageEncoding,
    });
    expect(header).toMatchObject({ mediaType: 'application/json', width: 64, height: 64 });
    const document = JSON.parse(Buffer.from(bytes).toString('utf8')) as Document;
    const [{ b64_json: text, sha256, media_type: mediaType }] = document.data;
    const image = Buffer.from(text, 'base64');
    expect(mediaType).toBe(`image/${format}`);
    expect(sha256Hex(image)).toBe(sha256);
    expect(await sharp(image).metadata()).toMatchObject({ format, width: 64, height: 64 });
    expect(document.image_hash).toBe(result.imageHash);
    expect(sha256 === result.imageHash).toBe(format === 'jpeg');
    const pair = await system.storedPair(result.imageHash);
    expect(sha256Hex(pair.image)).toBe(document.image_hash);
    expect(pair.record['parameters']).toEqual(document.parameters);
    expect(document.parameters).toMatchObject({ response_format: 'json', image_encoding: format });
  },
);
