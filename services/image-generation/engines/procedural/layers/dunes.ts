import { type Colour, colour, mix, shade, toRgb } from '../colour.ts';
import { clamp01, createNoise, fractal, smoothstep } from '../noise.ts';
import type { Scene } from '../scene.ts';
import type { Drawing, Studio } from './layer.ts';
import { createRidge } from './ridge.ts';
import { drawTexturedGround } from './textured-ground.ts';

/** Sand as the light of the scene shows it. */
export function sandColour(scene: Scene): Colour {
  const { haze, ground } = scene.palette;
  if (scene.terrain === 'dunes') return mix(shade(ground, 0.12), haze, 0.12);
  const bright =
    scene.time === 'night' ? 0.3 : scene.time === 'dusk' ? 0.5 : scene.time === 'sunset' ? 0.62 : 0.84;
  return mix(colour(bright, 0.065, 75), haze, 0.12);
}

/** One dune: a sharp crest, slanting lit and shadowed slopes, wind ripples. Depth 0 far, 1 near. */
export async function drawDunes(studio: Studio, name: string, depth: number): Promise<readonly Drawing[]> {
  const { scene, frame } = studio;
  const random = scene.random(`dunes ${name}`);
  const base = scene.horizon + 0.02 + (1 - scene.horizon) * 0.72 * depth ** 1.2;
  const amplitude = (0.05 + 0.055 * depth) * random.between(0.85, 1.3);
  const ridge = createRidge(
    frame,
    { base, amplitude, frequency: 1.9 - depth * 0.7, octaves: 2, kind: 'rolling' },
    random,
  );
  const noise = createNoise(random);
  const sand = mix(scene.palette.haze, sandColour(scene), 0.3 + 0.7 * depth ** 0.7);
  const lit = toRgb(mix(shade(sand, 0.06, 1.1), scene.palette.light, 0.22));
  const dark = toRgb(mix(shade(sand, -0.17, 1.05, -12), scene.palette.zenith, 0.14));
  const haze = toRgb(scene.palette.haze);
  const sunward = scene.light.u < 0.5 ? 1 : -1;
  return drawTexturedGround(studio, `dune-${name}`, ridge, frame.height + 2, (x, y, out) => {
    const drop = y - ridge(x);
    const s = x / frame.unit;
    const t = y / frame.unit;
    const wander = drop * (0.85 + 0.35 * noise(s * 1.6, t * 1.6));
    const at = x + wander * sunward;
    const step = frame.unit * 0.03;
    const slope = (ridge(at + step) - ridge(at - step)) / (2 * step);
    const ripple =
      Math.sin((t * 90 + s * 22 + 5 * noise(s * 5, t * 9)) * (1.5 - 0.7 * depth)) * 0.035 * depth;
    const soft = 0.025 + (0.5 * drop) / frame.unit;
    const light = clamp01(
      smoothstep(-soft, soft, -slope * sunward * 0.6) * 0.9 +
        0.06 +
        0.1 * fractal(noise, s * 3, t * 3, 2) +
        ripple,
    );
    const mist = 0.4 * (1 - depth) * smoothstep(0, frame.height * 0.25, drop);
    for (const i of [0, 1, 2] as const) {
      const grain = dark[i] + (lit[i] - dark[i]) * light;
      out[i] = clamp01(grain + (haze[i] - grain) * mist);
    }
  });
}
