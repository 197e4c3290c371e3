import { chunksOf } from './chunks.ts';
import type { HashedImage } from './finish-image.ts';

/** What a caller gets as header and chunks. */
export interface Payload {
  readonly mediaType: string;
  readonly sizeBytes: number;
  /** 32 bytes. */
  readonly sha256: Uint8Array;
  /** The bytes in offset order, at most `chunkBytes` at a time; made as they are asked for. */
  chunks(chunkBytes: number): Iterable<PayloadChunk> | AsyncIterable<PayloadChunk>;
}

export interface PayloadChunk {
  readonly offset: number;
  readonly data: Uint8Array;
}

/** The encoded image as it is. */
export function imagePayload({ bytes, mediaType, sha256 }: HashedImage): Payload {
  return {
    mediaType,
    sizeBytes: bytes.length,
    sha256,
    chunks: (chunkBytes) => chunksOf(bytes, chunkBytes),
  };
}
