import { blendCanvases, pipeline, toCanvas } from '../canvas.ts';
import type { Style } from './style.ts';

/** Blocks across a square picture at strength 1. */
const BLOCKS = 128;
/** Ordered dithering, 4 × 4 (Bayer 1973): skies in few colours need it. */
const BAYER = [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5] as const;
/** Steps of a colour channel at strength 1. */
const LEVELS = 12;

export const pixelArt: Style = {
  name: 'pixel-art',
  description: 'Square blocks and few colours, larger the stronger; negative strengths give a soft focus.',
  async apply(canvas, strength, { frame }) {
    if (strength < 0) {
      const soft = await toCanvas(pipeline(canvas).blur(0.6 - strength * frame.unit * 0.0035));
      return blendCanvases(canvas, soft, Math.min(1, -strength));
    }
    const block = Math.max(1, (frame.unit / BLOCKS) * Math.max(0.35, strength));
    const width = Math.max(2, Math.round(frame.width / block));
    const height = Math.max(2, Math.round(frame.height / block));
    const small = await toCanvas(pipeline(canvas).resize(width, height, { fit: 'fill' }));
    const step = 255 / LEVELS;
    // At most 256² small pixels or so at any strength that shows: quantising them here costs under a ms.
    const data = small.data.map((value, i) => {
      const x = Math.floor(i / 3) % width;
      const y = Math.floor(i / (3 * width));
      const threshold = ((BAYER[(y % 4) * 4 + (x % 4)] as number) + 0.5) / 16 - 0.5;
      return Math.max(0, Math.min(255, Math.round(Math.round(value / step + threshold * 0.9) * step)));
    });
    const blocks = await toCanvas(
      pipeline({ ...small, data }).resize(frame.width, frame.height, { fit: 'fill', kernel: 'nearest' }),
    );
    return blendCanvases(canvas, blocks, Math.min(1, 0.25 + strength * 0.75));
  },
};
