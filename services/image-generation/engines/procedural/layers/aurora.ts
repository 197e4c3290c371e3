import { shade, toRgb } from '../colour.ts';
import { screen } from '../field.ts';
import { createNoise, fractal, smoothstep } from '../noise.ts';
import type { SoftLayer } from './layer.ts';

/** One curtain of northern light: a winding lower hem, rays standing on it, colour changing with height. */
export function paintAurora(name: string, strength: number): SoftLayer {
  return async (field, { scene, frame, turns, signal }) => {
    const random = scene.random(`aurora ${name}`);
    const noise = createNoise(random);
    const hue = random.between(-18, 18);
    const foot = toRgb(shade(scene.palette.aurora, 0.02, 1.15, hue));
    const head = toRgb(shade(scene.palette.aurora, -0.25, 1.1, 130 + hue));
    const base = Math.min(1, scene.horizon) * random.between(0.48, 0.74);
    const tall = random.between(0.3, 0.48);
    const { width, height, data } = field;
    const columns = Array.from({ length: width }, (_, x) => {
      const u = ((x / width) * frame.width) / frame.unit;
      const fold = u * 1.5 + 0.5 * noise(u * 2.2, 4.1);
      return {
        hem: base + 0.17 * fractal(noise, fold, 1.7, 3) + 0.02 * noise(u * 9, 8.3),
        rays: 0.5 + 0.55 * fractal(noise, fold * 11, 3.3, 3, 0.6),
        bright: smoothstep(-0.35, 0.45, fractal(noise, u * 1.3, 9.9, 2)),
        tall: tall * (0.65 + 0.5 * noise(fold * 5, 2.2)),
      };
    });
    await turns.forEach(
      height,
      (y) => {
        const v = y / height;
        for (let x = 0; x < width; x++) {
          const { hem, rays, bright, tall: top } = columns[x] as (typeof columns)[number];
          const up = (hem - v) / top;
          if (up < -0.16 || up > 1.6) continue;
          const body = up < 0 ? Math.exp(-((up / 0.07) ** 2)) : Math.exp(-up * 2.1);
          const light =
            1.45 * strength * (0.3 + 0.7 * bright) * body * (0.35 + 0.9 * rays * Math.min(1, 0.4 + up));
          const rise = smoothstep(0.1, 0.95, up);
          screen(
            data,
            (y * width + x) * 3,
            light * (foot[0] + (head[0] - foot[0]) * rise),
            light * (foot[1] + (head[1] - foot[1]) * rise),
            light * (foot[2] + (head[2] - foot[2]) * rise),
          );
        }
      },
      signal,
    );
  };
}
