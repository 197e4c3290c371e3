/** Test images of exact, seeded sizes that cost a memory copy each: one small JPEG, padded with comment segments. */
import { createHash } from 'node:crypto';
import sharp from 'sharp';
import type { EncodedImage, ImageEncoder } from '../../services/image-generation/image-encoder.ts';
import type { ImageEngine } from '../../services/image-generation/image-engine.ts';
import { createNoiseEngine } from './noise-engine.ts';

export const MIN_SIZE_BYTES = 20_000;
export const MAX_SIZE_BYTES = 10_000_000;

const SIDE_PIXELS = 64;
/** A segment's length field counts itself and ends at 65,535. */
const SEGMENT_MAX_BYTES = 65_535 + 2;
const SEGMENT_HEAD_BYTES = 4;
const START_OF_IMAGE_BYTES = 2;

/**
 * Size of the image of `seed`, bytes: 80 % from 20 KB to 500 KB (inline), 15 % to 2 MB, 5 % to 10 MB, evenly
 * within each class.
 */
export function sizeOf(seed: number): number {
  const digest = createHash('sha256').update(`size ${seed}`).digest();
  const share = digest.readUInt32BE(0) / 2 ** 32;
  const within = digest.readUInt32BE(4) / 2 ** 32;
  const [from, to] =
    share < 0.8
      ? [MIN_SIZE_BYTES, 500_000]
      : share < 0.95
        ? [500_000, 2_000_000]
        : [2_000_000, MAX_SIZE_BYTES];
  return Math.round(from + within * (to - from));
}

/** Makes decodable JPEGs of `sizeOf(seed)` bytes; the same seed gives the same bytes. */
export async function createSizedImages(): Promise<(seed: number) => Buffer> {
  const create = { width: SIDE_PIXELS, height: SIDE_PIXELS, channels: 3 as const, background: '#468' };
  const picture = await sharp({ create }).jpeg().toBuffer();
  // One block of noise for all: what tells images and segments apart is written over its beginning.
  const noise = noiseBlock(SEGMENT_MAX_BYTES);
  return (seed) => {
    const image = Buffer.allocUnsafeSlow(sizeOf(seed));
    picture.copy(image, 0, 0, START_OF_IMAGE_BYTES);
    const end = image.length - (picture.length - START_OF_IMAGE_BYTES);
    picture.copy(image, end, START_OF_IMAGE_BYTES);
    for (let offset = START_OF_IMAGE_BYTES, index = 0; offset < end; index += 1) {
      const left = end - offset;
      // The last but one leaves room for a whole head.
      const length = left <= SEGMENT_MAX_BYTES ? left : Math.min(SEGMENT_MAX_BYTES, left - 16);
      noise.copy(image, offset, 0, length);
      image.writeUInt16BE(0xff_fe, offset);
      image.writeUInt16BE(length - 2, offset + 2);
      if (length >= SEGMENT_HEAD_BYTES + 8) {
        image.writeUInt32BE(seed, offset + SEGMENT_HEAD_BYTES);
        image.writeUInt32BE(index, offset + SEGMENT_HEAD_BYTES + 4);
      }
      offset += length;
    }
    return image;
  };
}

/** Delivers the sized image of the job's seed, after 5 to 40 ms. */
export function createSizedEngine(imageOf: (seed: number) => Buffer): ImageEngine {
  return createNoiseEngine({
    steps: 1,
    beforeStep: (job, _step, signal) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, 5 + (job.seed % 36));
        signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
      }),
    image: (job) => ({
      type: 'image',
      image: { kind: 'file', bytes: imageOf(job.seed) },
      seed: job.seed,
      warnings: [],
    }),
  });
}

/** Hands the engine's file on as it is, so that its size stays exact. */
export const passThroughEncoder: ImageEncoder = {
  async encode(image): Promise<EncodedImage> {
    if (image.kind !== 'file') throw new TypeError('only files are passed through');
    return { bytes: image.bytes, mediaType: 'image/jpeg', width: SIDE_PIXELS, height: SIDE_PIXELS };
  },
};

/** xorshift32. */
function noiseBlock(bytes: number): Buffer {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  let state = 0x9e37_79b9;
  for (let index = 0; index < words.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state >>> 0;
  }
  return Buffer.from(words.buffer, 0, bytes);
}
