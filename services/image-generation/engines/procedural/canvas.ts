import sharp, { type Sharp } from 'sharp';
import type { Field } from './field.ts';
import type { Frame } from './frame.ts';
import type { Random } from './random.ts';
import type { Turns } from './turns.ts';

/** A picture in pixels: sRGB, 3 bytes each, rows from the top. Never changed once made. */
export interface Canvas {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** The canvas as the start of a libvips pipeline. */
export function pipeline(canvas: Canvas): Sharp {
  return sharp(canvas.data, { raw: { width: canvas.width, height: canvas.height, channels: 3 } });
}

/** Runs a pipeline to its pixels. The pipeline must have three bands, or four of which the last is dropped. */
export async function toCanvas(image: Sharp): Promise<Canvas> {
  const { data, info } = await image.removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

/** The field as 8-bit pixels of its own size, dithered so that slow gradients do not band. */
export async function develop(
  field: Field,
  random: Random,
  turns: Turns,
  signal: AbortSignal,
): Promise<Canvas> {
  const { width, height } = field;
  const data = new Uint8Array(width * height * 3);
  const dice = Float32Array.from({ length: 4096 }, () => random.next());
  await turns.forEach(
    height,
    (y) => {
      // A prime step from row to row keeps the dice from lining up.
      let die = y * 1471;
      for (let i = y * width * 3; i < (y + 1) * width * 3; i++) {
        data[i] = Math.max(
          0,
          Math.min(255, (field.data[i] as number) * 255 + (dice[die++ & 4095] as number)),
        );
      }
    },
    signal,
  );
  return { data, width, height };
}

/** The canvas at another size; smooth in both directions. */
export async function scaleTo(canvas: Canvas, frame: Pick<Frame, 'width' | 'height'>): Promise<Canvas> {
  if (canvas.width === frame.width && canvas.height === frame.height) {
    return canvas;
  }
  return toCanvas(pipeline(canvas).resize(frame.width, frame.height, { fit: 'fill', kernel: 'cubic' }));
}

/** The pixels as a Buffer over the same memory: what sharp takes as an overlay. */
export function asBuffer({ data }: Canvas): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

/** `styled` laid over `base` with the given share (0 to 1) of it showing. */
export async function blendCanvases(base: Canvas, styled: Canvas, share: number): Promise<Canvas> {
  if (share >= 0.999) return styled;
  const { width, height } = styled;
  const veil = await pipeline(styled).ensureAlpha(share).raw().toBuffer();
  return toCanvas(pipeline(base).composite([{ input: veil, raw: { width, height, channels: 4 } }]));
}
