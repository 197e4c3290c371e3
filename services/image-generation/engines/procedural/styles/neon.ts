import sharp, { type Sharp } from 'sharp';
import { type Canvas, pipeline, toCanvas } from '../canvas.ts';
import type { Style } from './style.ts';

/** Side of the small picture the contours are found in. */
const CONTOUR_SIDE = 512;

export const neon: Style = {
  name: 'neon',
  description:
    'Dark, saturated, with glowing magenta and cyan contours; negative strengths mute the colours.',
  async apply(canvas, strength, { frame, signal }) {
    if (strength < 0) {
      return toCanvas(
        saturated(canvas, Math.max(0, 1 + 0.5 * strength)).linear(1 + 0.08 * strength, -14 * strength),
      );
    }
    const small = await pipeline(canvas)
      .resize(CONTOUR_SIDE, CONTOUR_SIDE, { fit: 'inside', withoutEnlargement: true })
      .removeAlpha()
      .toColourspace('b-w')
      .blur(1.2)
      .raw()
      .toBuffer({ resolveWithObject: true });
    signal.throwIfAborted();
    const raw = { width: small.info.width, height: small.info.height, channels: 1 as const };
    const contours = await sharp(small.data, { raw })
      .convolve({ width: 3, height: 3, kernel: [-1, -1, -1, -1, 8, -1, -1, -1, -1], scale: 1 })
      .linear(9 * Math.min(1.4, strength), 0)
      .blur(1.1)
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true });
    signal.throwIfAborted();
    const glow = await sharp(contours.data, { raw: { ...raw, channels: contours.info.channels } })
      .toColourspace('srgb')
      .recomb([
        [1, 0, 0],
        [0, 0.3, 0],
        [0, 0, 1],
      ])
      .resize(frame.width, frame.height, { fit: 'fill', kernel: 'cubic' })
      .raw()
      .toBuffer();
    signal.throwIfAborted();
    const dimmed = await toCanvas(
      saturated(canvas, 1 + 0.75 * strength).linear(1 - 0.2 * strength, -22 * strength),
    );
    signal.throwIfAborted();
    return toCanvas(
      pipeline(dimmed).composite([
        { input: glow, raw: { width: frame.width, height: frame.height, channels: 3 }, blend: 'screen' },
      ]),
    );
  },
};

/** Saturation as a colour matrix (Rec. 709 weights): a third of the cost of going through LCH. */
function saturated(canvas: Canvas, amount: number): Sharp {
  const [r, g, b] = [0.2126 * (1 - amount), 0.7152 * (1 - amount), 0.0722 * (1 - amount)];
  return pipeline(canvas).recomb([
    [r + amount, g, b],
    [r, g + amount, b],
    [r, g, b + amount],
  ]);
}
