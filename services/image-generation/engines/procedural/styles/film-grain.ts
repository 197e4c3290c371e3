import { blendCanvases, pipeline, toCanvas } from '../canvas.ts';
import { grainOverlay, grainSize } from './grain.ts';
import type { Style } from './style.ts';

export const filmGrain: Style = {
  name: 'film-grain',
  description: 'Coarse photographic grain; negative strengths smooth fine detail away instead.',
  async apply(canvas, strength, { frame, random }) {
    if (strength < 0) {
      const smooth = await toCanvas(pipeline(canvas).median(5));
      return blendCanvases(canvas, smooth, Math.min(1, -strength));
    }
    return toCanvas(
      pipeline(canvas).composite([grainOverlay(frame, random, 0.34 * strength, grainSize(frame))]),
    );
  },
};
