import { createNoise, fractal } from '../noise.ts';
import type { SoftLayer } from './layer.ts';

/** A fine, faint play of light over what is painted already; each round is finer. */
export function paintBrushwork(round: number): SoftLayer {
  return async (field, { scene, frame, turns, signal }) => {
    const noise = createNoise(scene.random(`brushwork ${round}`));
    const frequency = 3 * 1.22 ** round;
    const depth = 0.034 / (1 + round * 0.12);
    const { width, height, data } = field;
    await turns.forEach(
      height,
      (y) => {
        const v = ((y / height) * frame.height) / frame.unit;
        for (let x = 0; x < width; x++) {
          const u = ((x / width) * frame.width) / frame.unit;
          const light = 1 + depth * fractal(noise, u * frequency * 0.6, v * frequency * 1.5, 2);
          const i = (y * width + x) * 3;
          data[i] = (data[i] as number) * light;
          data[i + 1] = (data[i + 1] as number) * light;
          data[i + 2] = (data[i + 2] as number) * light;
        }
      },
      signal,
    );
  };
}
