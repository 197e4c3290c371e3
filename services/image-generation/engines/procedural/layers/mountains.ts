import { mix, shade, toRgb } from '../colour.ts';
import { clamp01, createNoise, fractal, ridged, smoothstep } from '../noise.ts';
import { groundColour, snowColour } from './hills.ts';
import type { Drawing, Studio } from './layer.ts';
import { createRidge } from './ridge.ts';
import { drawTexturedGround } from './textured-ground.ts';

/** A range with lit and shadowed faces, snow above the snow line and haze at its foot. Depth 0 far, 1 near. */
export async function drawMountains(
  studio: Studio,
  name: string,
  depth: number,
): Promise<readonly Drawing[]> {
  const { scene, frame } = studio;
  const random = scene.random(`mountains ${name}`);
  const foot = Math.min(1, scene.horizon + (scene.water === 'none' ? 0.16 : 0.004)) * frame.height;
  const steep = Math.min(1, (1.25 * frame.width) / frame.height);
  const amplitude = (0.34 - 0.07 * depth) * random.between(0.9, 1.2) * steep;
  const base = scene.horizon - 0.075 + 0.05 * depth;
  const ridge = createRidge(
    frame,
    { base, amplitude, frequency: 1.25 + depth * 0.45, octaves: 6, kind: 'peaked' },
    random,
  );
  const noise = createNoise(random);
  const rock = groundColour({ ...scene, snow: 0 }, 0.22 + 0.3 * depth);
  const day = scene.time === 'day' || scene.time === 'noon';
  const litRock = toRgb(mix(shade(rock, 0.07), scene.palette.light, day ? 0.1 : 0.16));
  const darkRock = toRgb(shade(mix(rock, scene.palette.zenith, 0.35), -0.05));
  const snow = snowColour(scene);
  const litSnow = toRgb(mix(shade(snow, 0.06, 0.7), scene.palette.light, 0.45));
  const darkSnow = toRgb(shade(mix(snow, scene.palette.cloudShade, 0.5), -0.1));
  const haze = toRgb(mix(scene.palette.haze, scene.palette.horizon, 0.35));
  const sunward = scene.light.u < 0.5 ? 1 : -1;
  const snowLine = scene.snow > 0 ? 2 : random.between(0.28, 0.5);
  const tall = frame.height * amplitude * 1.25;
  const step = frame.unit * 0.018;
  return drawTexturedGround(studio, `mountain-${name}`, ridge, foot, (x, y, out) => {
    const crest = ridge(x);
    const below = Math.max(0, (y - crest) / tall);
    const s = x / frame.unit;
    const t = y / frame.unit;
    // Faces run down from the crests: the slope of the ridge, read along slanted lines, plus ridged relief.
    const warp = 0.05 * fractal(noise, s * 5, t * 5, 2);
    const across = (s + warp) * 7 + t * 2.6 * sunward;
    const relief = ridged(noise, across, t * 4.4 + 7, 3, 0.55);
    const shifted = ridged(noise, across + 0.084, t * 4.4 + 7.02, 3, 0.55);
    const at = x + (y - crest) * 0.55 * sunward;
    const slope = (ridge(at + step) - ridge(at - step)) / (2 * step);
    const face = 0.5 - slope * 0.55 * sunward + (relief - shifted) * 4.2 * sunward;
    const lit = smoothstep(0.22, 0.78, face);
    const white = smoothstep(0.1, -0.1, below - snowLine * (0.75 + 0.9 * (relief - 0.5)));
    const mist =
      smoothstep(0.2, 1.15, (y - (foot - tall * 1.25)) / (tall * 1.25)) * (0.55 + 0.35 * scene.fog);
    for (const i of [0, 1, 2] as const) {
      const stone = darkRock[i] + (litRock[i] - darkRock[i]) * lit;
      const cover = darkSnow[i] + (litSnow[i] - darkSnow[i]) * lit;
      const bare = stone + (cover - stone) * white;
      out[i] = clamp01(bare + (haze[i] - bare) * mist);
    }
  });
}
