/** Response format JSON: one document shaped like the OpenAI images response, never in memory as a whole. */
import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { chunksOf } from './chunks.ts';
import type { HashedImage } from './finish-image.ts';
import type { ImageRequest } from './image-request.ts';
import { type GenerationFacts, recordedParameters } from './input-record.ts';
import type { Payload, PayloadChunk } from './payload.ts';

/** Image bytes encoded at a time while hashing: 256 KiB of base64. A multiple of 3, so that slices join without padding. */
const SLICE_BYTES = 192 * 1024;

/**
 * The document around `image`. Its base64 is made twice, once to hash it and once to send it, slice by slice, so
 * that a slow caller costs the image's bytes and some slices, not another 4/3 of the image.
 * @param imageHash Hash of the archived JPEG; empty when it is not known.
 */
export async function jsonDocument(
  image: HashedImage,
  request: ImageRequest,
  facts: GenerationFacts,
  imageHash: string,
): Promise<Payload> {
  const frame = documentFrame(image, request, facts, imageHash);
  const hash = createHash('sha256');
  for (const piece of pieces(frame, image.bytes, SLICE_BYTES)) {
    hash.update(piece);
    await nextTurn();
  }
  const base64Bytes = Math.ceil(image.bytes.length / 3) * 4;
  return {
    mediaType: 'application/json',
    sizeBytes: frame.before.length + base64Bytes + frame.after.length,
    sha256: hash.digest(),
    chunks: (chunkBytes) => documentChunks(frame, image.bytes, chunkBytes),
  };
}

interface DocumentFrame {
  /** Up to and with the opening quote of the base64 text. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

function documentFrame(
  image: HashedImage,
  request: ImageRequest,
  facts: GenerationFacts,
  imageHash: string,
): DocumentFrame {
  const { width, height, mediaType, bytes, sha256 } = image;
  const document = {
    created: Math.floor(facts.generatedAt.getTime() / 1000),
    request_id: request.job.requestId,
    image_hash: imageHash,
    engine: facts.engine,
    model: request.job.model,
    output_format: request.format,
    size: `${width}x${height}`,
    parameters: recordedParameters(request, facts),
    timing: { queue_ms: Math.round(facts.queueMs), generation_ms: Math.round(facts.generationMs) },
    warnings: facts.warnings.map(({ reason, field, message }) => ({ reason, field, message })),
  };
  const item = {
    media_type: mediaType,
    width,
    height,
    seed: facts.seed,
    size_bytes: bytes.length,
    sha256: Buffer.from(sha256).toString('hex'),
  };
  const open = (part: object): string => JSON.stringify(part).slice(0, -1);
  return {
    before: Buffer.from(`${open(document)},"data":[${open(item)},"b64_json":"`),
    after: Buffer.from('"}]}\n'),
  };
}

function* pieces(
  { before, after }: DocumentFrame,
  bytes: Uint8Array,
  sliceBytes: number,
): Generator<Uint8Array> {
  yield before;
  for (const { data } of chunksOf(bytes, sliceBytes)) yield base64(data);
  yield after;
}

async function* documentChunks(
  frame: DocumentFrame,
  bytes: Uint8Array,
  chunkBytes: number,
): AsyncGenerator<PayloadChunk, void, undefined> {
  let offset = 0;
  for (const piece of pieces(frame, bytes, Math.floor(chunkBytes / 4) * 3)) {
    for (const { data } of chunksOf(piece, chunkBytes)) {
      yield { offset, data };
      offset += data.length;
    }
    await nextTurn();
  }
}

const base64 = ({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array =>
  Buffer.from(Buffer.from(buffer, byteOffset, byteLength).toString('base64'), 'latin1');
