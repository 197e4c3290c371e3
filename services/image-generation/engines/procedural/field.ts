import { clamp01 } from './noise.ts';
import type { Frame } from './frame.ts';

/** A small floating-point picture for everything soft: sky, clouds, glow. Scaled up once, so it never bands. */
export interface Field {
  readonly width: number;
  readonly height: number;
  /** Gamma-encoded sRGB, 0 to 1, three floats a pixel. */
  readonly data: Float32Array;
}

/** A field is never more than this share of the picture's pixels: soft things need no more. */
const LARGEST_SHARE = 0.36;

/** A field with the frame's shape and at most `maxPixels` pixels. */
export function createField(frame: Frame, maxPixels: number): Field {
  const scale = Math.min(Math.sqrt(LARGEST_SHARE), Math.sqrt(maxPixels / (frame.width * frame.height)));
  const width = Math.max(8, Math.round(frame.width * scale));
  const height = Math.max(8, Math.round(frame.height * scale));
  return { width, height, data: new Float32Array(width * height * 3) };
}

/** Paints a colour over the pixel at `i`. */
export function over(data: Float32Array, i: number, r: number, g: number, b: number, alpha: number): void {
  data[i] = (data[i] as number) * (1 - alpha) + r * alpha;
  data[i + 1] = (data[i + 1] as number) * (1 - alpha) + g * alpha;
  data[i + 2] = (data[i + 2] as number) * (1 - alpha) + b * alpha;
}

/** Adds light to the pixel at `i` without ever burning out. */
export function screen(data: Float32Array, i: number, r: number, g: number, b: number): void {
  data[i] = 1 - (1 - (data[i] as number)) * (1 - clamp01(r));
  data[i + 1] = 1 - (1 - (data[i + 1] as number)) * (1 - clamp01(g));
  data[i + 2] = 1 - (1 - (data[i + 2] as number)) * (1 - clamp01(b));
}
