import { mix, shade, toRgb } from '../colour.ts';
import { over, screen } from '../field.ts';
import { createNoise, fractal, ridged, smoothstep } from '../noise.ts';
import type { SoftLayer } from './layer.ts';

/** Glowing gas along a tilted band, with dark dust in front. `strength` 0 to 1. */
export function paintNebula(name: string, strength: number): SoftLayer {
  return async (field, { scene, frame, turns, signal }) => {
    const random = scene.random(`nebula ${name}`);
    const noise = createNoise(random);
    const { palette } = scene;
    const tilt = random.between(-0.9, 0.9);
    const sine = Math.sin(tilt);
    const cosine = Math.cos(tilt);
    const centre = random.between(0.4, 0.6);
    const turn = random.pick([-70, 60, 95]);
    const cold = toRgb({ l: 0.6, c: 0.15, h: palette.middle.h });
    const hot = toRgb({ l: 0.68, c: 0.17, h: palette.middle.h + turn });
    const core = toRgb(mix({ l: 0.9, c: 0.08, h: palette.middle.h + turn }, palette.light, 0.4));
    const dust = toRgb(shade(palette.zenith, -0.06));
    const { width, height, data } = field;
    await turns.forEach(
      height,
      (y) => {
        const v = ((y / height - centre) * frame.height) / frame.unit;
        for (let x = 0; x < width; x++) {
          const u = ((x / width - 0.5) * frame.width) / frame.unit;
          const along = u * cosine + v * sine;
          const across = v * cosine - u * sine + 0.16 * noise(along * 2, 5);
          const warp = 0.55 * fractal(noise, u * 1.8 + 7, v * 1.8, 3);
          const gas = 0.5 + 0.75 * fractal(noise, u * 2.4 + warp, v * 2.4 - warp, 4, 0.55);
          const band = Math.exp(-((across / 0.3) ** 2));
          const glow = strength * smoothstep(0.28, 1.05, gas) * (0.22 + 0.85 * band);
          const kind = smoothstep(-0.35, 0.35, noise(u * 1.5 + 3, v * 1.5 + warp));
          const heart = strength * Math.exp(-((across / 0.1) ** 2)) * smoothstep(0.45, 1.1, gas) * 0.7;
          const i = (y * width + x) * 3;
          screen(
            data,
            i,
            glow * (cold[0] + (hot[0] - cold[0]) * kind) + heart * core[0],
            glow * (cold[1] + (hot[1] - cold[1]) * kind) + heart * core[1],
            glow * (cold[2] + (hot[2] - cold[2]) * kind) + heart * core[2],
          );
          const lane = smoothstep(0.62, 0.92, ridged(noise, u * 2.1 - warp, v * 2.1 + 9, 3)) * band;
          over(data, i, dust[0], dust[1], dust[2], lane * 0.5 * strength);
        }
      },
      signal,
    );
  };
}
