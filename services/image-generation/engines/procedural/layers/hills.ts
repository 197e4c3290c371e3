import { type Colour, colour, mix, shade, toHex } from '../colour.ts';
import type { Scene } from '../scene.ts';
import { n, verticalGradient } from '../svg.ts';
import type { Drawing, Studio } from './layer.ts';
import { createRidge, groundPath, ridgePoints } from './ridge.ts';
import { drawTrees } from './trees.ts';

/** Colour of ground at a depth: 0 is the farthest, 1 the nearest. */
export function groundColour(scene: Scene, depth: number): Colour {
  const { ground, haze, zenith } = scene.palette;
  const dark = scene.time !== 'day' && scene.time !== 'noon';
  const bare = scene.snow > 0 ? snowColour(scene) : ground;
  const share = depth ** (0.95 + 0.5 * scene.fog);
  const tinted = mix(haze, mix(bare, zenith, 0.12), 0.14 + 0.86 * share);
  return dark || scene.snow > 0 ? tinted : shade(tinted, 0, 1 - 0.2 * (1 - depth));
}

/** Snow takes its colour from the sky. */
export function snowColour(scene: Scene): Colour {
  const { horizon, middle } = scene.palette;
  const sky = mix(horizon, middle, 0.55);
  return { l: Math.min(0.95, 0.28 + sky.l * 0.72), c: sky.c * 0.45, h: sky.h };
}

/** One layer of hills: its ground, the mist at its foot, the rim of light, its trees. */
export function drawHills(studio: Studio, name: string, depth: number, base: number): readonly Drawing[] {
  const { scene, frame } = studio;
  const random = scene.random(`hills ${name}`);
  const wild = scene.terrain === 'mountains' ? 1.2 : 1;
  const amplitude = (0.055 + 0.05 * (1 - depth)) * random.between(0.8, 1.35) * wild;
  const shape = {
    base,
    amplitude,
    frequency: 2.3 - 1.1 * depth,
    octaves: depth > 0.6 ? 4 : 5,
    kind: 'rolling',
  } as const;
  const ridge = createRidge(frame, shape, random);
  const points = ridgePoints(ridge, frame, 110);
  const top = Math.min(...points.map(([, y]) => y));
  const near = scene.snow > 0 ? shade(groundColour(scene, depth), 0.035) : groundColour(scene, depth);
  const foggy = mix(near, scene.palette.haze, (0.3 + 0.45 * scene.fog) * (1 - 0.72 * depth));
  // Snow is brightest on its crests and blue in its hollows.
  const misty = scene.snow > 0 ? mix(shade(foggy, -0.09), scene.palette.cloudShade, 0.3) : foggy;
  const id = `hill-${name}`;
  const foot = top + frame.height * (0.2 + 0.16 * depth);
  const trees =
    scene.trees > 0 && depth > 0.08 ? drawTrees(studio, name, ridge, depth, trunkColour(scene, depth)) : '';
  const rim = rimLight(scene, depth);
  const svg =
    `<defs>${verticalGradient(id, top, foot, [
      { at: 0, colour: shade(near, 0.012 * (1 - depth)) },
      { at: 0.3, colour: mix(near, misty, 0.3) },
      { at: 1, colour: misty },
    ])}</defs>` +
    `<path d="${groundPath(points, frame.height + 2)}" fill="url(#${id})"/>` +
    (trees === ''
      ? `<polyline points="${points.map(([x, y]) => `${n(x)},${n(y)}`).join(' ')}" fill="none" stroke="${toHex(rim.colour)}" stroke-opacity="${n(rim.opacity)}" stroke-width="${n(frame.unit * 0.0022)}"/>`
      : trees);
  const canopy = scene.trees > 0 ? frame.short * (0.05 + 0.19 * depth) : frame.unit * 0.01;
  return [{ svg, blend: 'over', top: top - canopy }];
}

function trunkColour(scene: Scene, depth: number): Colour {
  const ground = groundColour({ ...scene, snow: 0 }, depth);
  return scene.snow > 0 ? mix(ground, colour(0.3, 0.03, 250), 0.35 * depth) : shade(ground, -0.035);
}

function rimLight(scene: Scene, depth: number): { readonly colour: Colour; readonly opacity: number } {
  return {
    colour: mix(scene.palette.light, scene.palette.horizon, 0.5),
    opacity: scene.light.kind === 'none' ? 0.05 : 0.22 * (1 - 0.5 * depth),
  };
}
