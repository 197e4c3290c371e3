import type { OverlayOptions } from 'sharp';
import type { Frame } from '../frame.ts';
import type { Random } from '../random.ts';

const TILE_SIDE = 160;

/**
 * Monochrome grain as a repeated overlay: black and white specks of `speckSide` pixels, the alpha of each at
 * most `depth` (0 to 1).
 */
export function grainOverlay(frame: Frame, random: Random, depth: number, speckSide = 1): OverlayOptions {
  const width = Math.min(TILE_SIDE, frame.width);
  const height = Math.min(TILE_SIDE, frame.height);
  const data = Buffer.alloc(width * height * 4);
  const columns = Math.ceil(width / speckSide);
  // Two dice: a triangular spread looks like film, an even one like static.
  const specks = Float32Array.from(
    { length: columns * Math.ceil(height / speckSide) },
    () => random.next() + random.next() - 1,
  );
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const speck = specks[Math.floor(y / speckSide) * columns + Math.floor(x / speckSide)] as number;
      const i = (y * width + x) * 4;
      const tone = speck > 0 ? 255 : 0;
      data[i] = tone;
      data[i + 1] = tone;
      data[i + 2] = tone;
      data[i + 3] = Math.abs(speck) * 255 * depth + 0.5;
    }
  }
  return { input: data, raw: { width, height, channels: 4 }, tile: true };
}

/** Grain that looks as coarse at any size: one pixel up to about a megapixel and a half. */
export function grainSize(frame: Frame): number {
  return Math.max(1, Math.round(frame.unit / 820));
}
