import sharp from 'sharp';
import { n } from '../svg.ts';
import type { Drawing, Studio } from './layer.ts';
import { groundPath, type Ridge, ridgePoints } from './ridge.ts';

/** Texture pixels of one piece of ground: what takes it to a few ms in JavaScript. */
const MAX_TEXTURE_PIXELS = 70_000;

/** Puts the colour of the ground at a picture's pixel into `out`, three numbers from 0 to 1. */
export type GroundPainter = (x: number, y: number, out: Float64Array) => void;

/**
 * Ground with a crisp edge and a soft painted face: a small texture, made pixel by pixel, stretched by librsvg
 * and clipped along the ridge.
 */
export async function drawTexturedGround(
  studio: Studio,
  id: string,
  ridge: Ridge,
  bottom: number,
  paint: GroundPainter,
): Promise<readonly Drawing[]> {
  const { frame } = studio;
  const points = ridgePoints(ridge, frame, 260);
  const top = Math.max(0, Math.min(...points.map(([, y]) => y)) - 2);
  const high = bottom - top;
  if (high <= 1) return [];
  const png = await texture(studio, ridge, top, high, paint);
  const svg =
    `<defs><clipPath id="${id}"><path d="${groundPath(points, bottom)}"/></clipPath></defs>` +
    `<image clip-path="url(#${id})" x="0" y="${n(top)}" width="${frame.width}" height="${n(high)}" preserveAspectRatio="none" xlink:href="data:image/png;base64,${png.toString('base64')}"/>`;
  return [{ svg, blend: 'over', top, bottom }];
}

async function texture(
  { frame, turns, signal }: Studio,
  ridge: Ridge,
  top: number,
  high: number,
  paint: GroundPainter,
): Promise<Buffer> {
  const scale = Math.min(0.6, Math.sqrt(MAX_TEXTURE_PIXELS / (frame.width * high)));
  const width = Math.max(4, Math.round(frame.width * scale));
  const height = Math.max(4, Math.round(high * scale));
  const data = new Uint8Array(width * height * 3);
  const colour = new Float64Array(3);
  // Texels a little above the ridge still shine through where the texture is stretched; others are never seen.
  const margin = (3 * high) / height;
  await turns.forEach(
    height,
    (row) => {
      const y = top + ((row + 0.5) / height) * high;
      for (let column = 0; column < width; column++) {
        const x = ((column + 0.5) / width) * frame.width;
        if (y < ridge(x) - margin) continue;
        paint(x, y, colour);
        const i = (row * width + column) * 3;
        data[i] = (colour[0] as number) * 255;
        data[i + 1] = (colour[1] as number) * 255;
        data[i + 2] = (colour[2] as number) * 255;
      }
    },
    signal,
  );
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 1 })
    .toBuffer();
}
