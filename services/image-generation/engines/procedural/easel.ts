import type { OverlayOptions } from 'sharp';
import { type Canvas, pipeline, toCanvas } from './canvas.ts';
import type { Frame } from './frame.ts';
import type { Drawing } from './layers/layer.ts';

/** Holds the canvas and what waits to be drawn on it: one pass of libvips for many drawings. */
export interface Easel {
  /** Draws what waits, in the order it came, and gives the canvas. */
  canvas(): Promise<Canvas>;
  /** Puts another canvas in the place of the one `canvas()` gave. */
  replace(canvas: Canvas): void;
  add(drawings: readonly Drawing[]): void;
  /** Adds pixels or tiles instead of SVG. */
  addOverlay(overlay: OverlayOptions): void;
}

export function createEasel(start: Canvas, frame: Frame): Easel {
  let canvas = start;
  let overlays: OverlayOptions[] = [];
  let pending: Drawing[] = [];
  const rasterise = (): void => {
    if (pending.length > 0) overlays.push(...merged(pending, frame));
    pending = [];
  };
  return {
    async canvas() {
      rasterise();
      const waiting = overlays;
      overlays = [];
      if (waiting.length > 0) canvas = await toCanvas(pipeline(canvas).composite(waiting));
      return canvas;
    },
    replace(next) {
      canvas = next;
    },
    add(drawings) {
      for (const drawing of drawings) {
        if (pending[0] && pending[0].blend !== drawing.blend) rasterise();
        pending.push(drawing);
      }
    },
    addOverlay(overlay) {
      rasterise();
      overlays.push(overlay);
    },
  };
}

/** Drawings with the same blend as one SVG, cut to the rows they touch. */
function merged(drawings: readonly Drawing[], { width, height }: Frame): readonly OverlayOptions[] {
  const top = Math.max(0, Math.floor(Math.min(...drawings.map((drawing) => drawing.top ?? 0))));
  const bottom = Math.min(
    height,
    Math.ceil(Math.max(...drawings.map((drawing) => drawing.bottom ?? height))),
  );
  if (bottom <= top) return [];
  const content = drawings.map((drawing) => drawing.svg).join('');
  const document = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${width}" height="${bottom - top}" viewBox="0 ${top} ${width} ${bottom - top}">${content}</svg>`;
  return [{ input: Buffer.from(document), blend: drawings[0]?.blend ?? 'over', left: 0, top }];
}
