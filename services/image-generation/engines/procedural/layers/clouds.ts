import { mix, toRgb } from '../colour.ts';
import { over } from '../field.ts';
import { clamp01, createNoise, fractal, smoothstep } from '../noise.ts';
import type { SoftLayer } from './layer.ts';

export interface CloudDeck {
  /** Name of the deck: its own random stream. */
  readonly name: string;
  /** Share of the sky covered, 0 to 1. */
  readonly coverage: number;
  /** How much wider than high the clouds are. */
  readonly stretch: number;
  /** Features across the picture. */
  readonly frequency: number;
  readonly octaves: number;
  readonly opacity: number;
  /** 0 hard-edged, 1 all veil. */
  readonly softness: number;
}

/** One deck of clouds seen in perspective: high overhead they are large, towards the horizon small and hazy. */
export function paintClouds(deck: CloudDeck): SoftLayer {
  return async (field, { scene, frame, turns, signal }) => {
    const { palette, light } = scene;
    const random = scene.random(`clouds ${deck.name}`);
    const noise = createNoise(random);
    const offset = random.between(0, 90);
    const lit = toRgb(palette.cloudLit);
    const dark = toRgb(palette.cloudShade);
    const far = toRgb(mix(palette.horizon, palette.cloudLit, 0.35));
    const { width, height, data } = field;
    const bottom = Math.min(1, scene.horizon);
    const rows = Math.min(height, Math.ceil(bottom * height) + 1);
    const density = (x: number, z: number): number => {
      const wx = x + 0.35 * noise(x * 0.7 + 31, z * 0.7);
      const wz = z + 0.35 * noise(x * 0.7, z * 0.7 + 57);
      return fractal(noise, wx, wz, deck.octaves, 0.52);
    };
    const threshold = 0.42 - deck.coverage * 0.72;
    const edge = 0.16 + deck.softness * 0.4;
    await turns.forEach(
      rows,
      (y) => {
        const v = y / height;
        const rise = Math.max(0, (bottom - v) / bottom);
        const depth = 1 / (rise * 0.9 + 0.22);
        const z = depth * deck.frequency * 0.62 + offset;
        const fade = smoothstep(0, 0.16, rise);
        for (let x = 0; x < width; x++) {
          const u = ((x / width - 0.5) * frame.width) / frame.unit;
          const cx = (u * deck.frequency * (0.55 + depth * 0.3)) / deck.stretch + offset;
          const here = density(cx, z);
          const cover = smoothstep(threshold, threshold + edge, here);
          if (cover <= 0.002) continue;
          const du = (light.u - 0.5) * (frame.width / frame.unit) - u;
          const dv = ((light.v - v) * frame.height) / frame.unit;
          const away = Math.hypot(du, dv) + 0.001;
          const behind = fractal(
            noise,
            cx + (du / away) * 0.22 + 0.1,
            z - (dv / away) * 0.22,
            Math.max(2, deck.octaves - 2),
            0.52,
          );
          const thickness = smoothstep(threshold, threshold + 0.75, here);
          const side = clamp01(0.56 + (here - behind) * 1.5 - thickness * 0.42);
          const rim = (1 - thickness) * Math.exp(-away * 2.6) * 0.9;
          const bright = clamp01(side + rim);
          const haze = (1 - fade) * 0.75;
          const r = mixed(dark[0], lit[0], bright, far[0], haze);
          const g = mixed(dark[1], lit[1], bright, far[1], haze);
          const b = mixed(dark[2], lit[2], bright, far[2], haze);
          over(data, (y * width + x) * 3, r, g, b, cover * deck.opacity * (0.25 + 0.75 * fade));
        }
      },
      signal,
    );
  };
}

function mixed(dark: number, lit: number, bright: number, far: number, haze: number): number {
  return (dark + (lit - dark) * bright) * (1 - haze) + far * haze;
}
