import { createHash, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { wireRequest } from '../../test/_support/wire-request.ts';
import { createProceduralEngine } from './engines/procedural/procedural-engine.ts';
import type { HashedImage } from './finish-image.ts';
import { checkImageRequest } from './image-request.ts';
import type { GenerationFacts } from './input-record.ts';
import { jsonDocument } from './json-document.ts';
import type { Payload } from './payload.ts';

const facts: GenerationFacts = {
  engine: 'procedural',
  seed: 7,
  generatedAt: new Date(1_700_000_000_999),
  queueMs: 1.4,
  generationMs: 2.6,
  warnings: [{ reason: 'R', field: 'f', message: 'a "quoted" \u2028 message' }],
};

async function requestOf(prompt: string) {
  const capabilities = await createProceduralEngine().capabilities(new AbortController().signal);
  return checkImageRequest(
    wireRequest({ prompt, responseFormat: 2, labels: { 'b64_json":"': '"}]' } }),
    capabilities,
  );
}

function imageOf(size: number): HashedImage {
  const bytes = randomBytes(size);
  const sha256 = createHash('sha256').update(bytes).digest();
  return { bytes, sha256, mediaType: 'image/png', width: 640, height: 480 };
}

async function read(payload: Payload, chunkBytes: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let expected = 0;
  for await (const { offset, data } of payload.chunks(chunkBytes)) {
    expect(offset).toBe(expected);
    expect(data.length).toBeGreaterThan(0);
    expect(data.length).toBeLessThanOrEqual(chunkBytes);
    expected += data.length;
    parts.push(data);
  }
  return Buffer.concat(parts);
}

test.each([1, 2, 3, 192 * 1024, 192 * 1024 + 1, 1_000_003])(
  'a document around %i bytes has the size and hash it announces, at any chunk size',
  async (size) => {
    const image = imageOf(size);
    const payload = await jsonDocument(image, await requestOf('ein “Hügel”\n'), facts, 'ab'.repeat(32));
    for (const chunkBytes of [16 * 1024, 65_537, 1024 * 1024]) {
      const bytes = await read(payload, chunkBytes);
      expect(bytes.length).toBe(payload.sizeBytes);
      expect(createHash('sha256').update(bytes).digest().equals(payload.sha256)).toBe(true);
      const document = JSON.parse(bytes.toString('utf8')) as { data: { b64_json: string }[] };
      expect(Buffer.from(document.data[0]?.b64_json ?? '', 'base64').equals(image.bytes)).toBe(true);
    }
  },
);

test('the document has the shape of the OpenAI images response and every parameter of the record', async () => {
  const payload = await jsonDocument(imageOf(10), await requestOf('a hill'), facts, 'ab'.repeat(32));
  expect(payload.mediaType).toBe('application/json');
  const document: unknown = JSON.parse((await read(payload, 65_536)).toString('utf8'));
  expect(document).toMatchObject({
    created: 1_700_000_000,
    image_hash: 'ab'.repeat(32),
    engine: 'procedural',
    size: '640x480',
    parameters: { prompt: 'a hill', seed: 7, response_format: 'json', labels: { 'b64_json":"': '"}]' } },
    timing: { queue_ms: 1, generation_ms: 3 },
    warnings: facts.warnings,
    data: [{ media_type: 'image/png', width: 640, height: 480, seed: 7, size_bytes: 10 }],
  });
});

test('making and reading a document of 40 MiB lets other work run after every slice', async () => {
  const image = imageOf(30 * 1024 * 1024);
  const request = await requestOf('a hill');
  let turns = 0;
  const count = (): void => {
    turns += 1;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  const payload = await jsonDocument(image, request, facts, '');
  let bytes = 0;
  for await (const { data } of payload.chunks(256 * 1024)) bytes += data.length;
  clearImmediate(timer);
  expect(bytes).toBe(payload.sizeBytes);
  // 160 slices of 192 KiB are hashed, and as many sent; at once it would be more than 100 ms without a turn.
  expect(turns).toBeGreaterThan(300);
});
