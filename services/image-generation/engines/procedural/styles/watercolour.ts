import { blendCanvases, pipeline, toCanvas } from '../canvas.ts';
import { grainOverlay } from './grain.ts';
import type { Style } from './style.ts';

/** Side of the small picture the washes are found in. */
const WASH_SIDE = 420;

export const watercolour: Style = {
  name: 'watercolor',
  description: 'Flat bleeding washes on rough bright paper; negative strengths sharpen edges and contrast.',
  async apply(canvas, strength, { frame, random, signal }) {
    if (strength < 0) {
      const crisp = await toCanvas(
        pipeline(canvas)
          .sharpen({ sigma: Math.max(0.6, frame.unit / 700), m1: 1, m2: 3 })
          .linear(1.12, -14),
      );
      return blendCanvases(canvas, crisp, Math.min(1, -strength * 0.8));
    }
    const small = await toCanvas(
      pipeline(canvas).resize(WASH_SIDE, WASH_SIDE, { fit: 'inside', withoutEnlargement: true }),
    );
    const washes = await toCanvas(pipeline(small).median(9));
    signal.throwIfAborted();
    // Pigment gathers at the edge of a wash: sharpen with a wide radius, then lighten towards paper.
    const pooled = await toCanvas(
      pipeline(await toCanvas(pipeline(washes).sharpen({ sigma: 2.2, m1: 0.6, m2: 5 })))
        .resize(frame.width, frame.height, { fit: 'fill', kernel: 'cubic' })
        .linear(0.82, 48),
    );
    signal.throwIfAborted();
    const painted = await blendCanvases(canvas, pooled, Math.min(1, strength * 0.9));
    return toCanvas(
      pipeline(painted).composite([grainOverlay(frame, random, Math.min(0.3, 0.13 * strength))]),
    );
  },
};
