/** The test-only engine of ready bytes: what is measured is everything around the engine. */
import { createHash } from 'node:crypto';
import type { ImageEncoder } from '../../../services/image-generation/image-encoder.ts';
import type { ImageEngine } from '../../../services/image-generation/image-engine.ts';
import { createNoiseEngine } from '../../_support/noise-engine.ts';

/** What a request must ask for, pixels. */
export const FIXED_SIDE = 64;

/** Bytes that cannot be compressed, the same for the same size. */
export function fixedBytes(sizeBytes: number): Buffer {
  const block = Buffer.concat(
    Array.from({ length: 2_048 }, (_, index) => createHash('sha256').update(`block ${index}`).digest()),
  );
  return Buffer.alloc(sizeBytes, block);
}

/** Delivers the bytes at once. `distinct`: a copy for each job with its seed written over the beginning. */
export function createFixedImageEngine(bytes: Buffer, distinct: boolean): ImageEngine {
  return createNoiseEngine({
    steps: 1,
    image: (job) => ({
      type: 'image',
      image: { kind: 'file', bytes: distinct ? stamped(bytes, job.seed) : bytes },
      seed: job.seed,
      warnings: [],
    }),
  });
}

function stamped(bytes: Buffer, seed: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt32BE(seed, 0);
  copy.writeDoubleBE(performance.now(), 4);
  return copy;
}

/** Hands the engine's file on as it is. */
export const passThroughEncoder: ImageEncoder = {
  async encode(image) {
    if (image.kind !== 'file') throw new TypeError('only files are passed through');
    return { bytes: image.bytes, mediaType: 'image/jpeg', width: FIXED_SIDE, height: FIXED_SIDE };
  },
};
