import sharp from 'sharp';
import { pipeline, toCanvas } from '../canvas.ts';
import { createNoise, fractal } from '../noise.ts';
import type { Style } from './style.ts';

const MAX_PIXELS = 24_000;

export const mist: Style = {
  name: 'mist',
  description: 'Drifting pale mist, thicker towards the bottom; negative strengths clear the air.',
  async apply(canvas, strength, { frame, random, turns, signal }) {
    if (strength < 0) {
      return toCanvas(pipeline(canvas).linear(1 - 0.22 * strength, 34 * strength));
    }
    const scale = Math.min(1, Math.sqrt(MAX_PIXELS / (frame.width * frame.height)));
    const width = Math.max(4, Math.round(frame.width * scale));
    const height = Math.max(4, Math.round(frame.height * scale));
    const noise = createNoise(random);
    const { channels } = await sharp(canvas.data, { raw: { ...sizeOf(canvas), channels: 3 } })
      .resize(64, 64, { fit: 'fill' })
      .stats();
    const tint = channels.map(({ mean }) => mean + (238 - mean) * 0.72);
    const data = Buffer.alloc(width * height * 4);
    await turns.forEach(
      height,
      (y) => {
        const v = y / height;
        for (let x = 0; x < width; x++) {
          const u = ((x / width) * frame.width) / frame.unit;
          const cloud = 0.5 + 0.9 * fractal(noise, u * 1.6, v * 3.4, 4);
          const i = (y * width + x) * 4;
          data.set([tint[0] ?? 220, tint[1] ?? 225, tint[2] ?? 230], i);
          data[i + 3] = Math.max(0, Math.min(235, 255 * strength * (0.12 + 0.5 * cloud * (0.35 + 0.75 * v))));
        }
      },
      signal,
    );
    const veil = await sharp(data, { raw: { width, height, channels: 4 } })
      .resize(frame.width, frame.height, { fit: 'fill', kernel: 'cubic' })
      .raw()
      .toBuffer();
    signal.throwIfAborted();
    return toCanvas(pipeline(canvas).composite([{ input: veil, raw: { ...sizeOf(frame), channels: 4 } }]));
  },
};

function sizeOf({ width, height }: { readonly width: number; readonly height: number }) {
  return { width, height };
}
