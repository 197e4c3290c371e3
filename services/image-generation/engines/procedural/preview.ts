import { type Canvas, pipeline } from './canvas.ts';

const LONG_SIDE = 256;
const MAX_BYTES = 32 * 1024;

/** A small JPEG of the canvas: at most 256 pixels on the long side and 32 KiB. */
export async function renderPreview(canvas: Canvas): Promise<Uint8Array> {
  const small = pipeline(canvas).resize(LONG_SIDE, LONG_SIDE, { fit: 'inside', withoutEnlargement: true });
  const jpeg = await small.clone().jpeg({ quality: 72 }).toBuffer();
  // 256² of pure noise stays under 32 KiB at quality 20.
  return jpeg.length <= MAX_BYTES ? jpeg : small.jpeg({ quality: 20 }).toBuffer();
}
