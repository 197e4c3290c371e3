import { type Colour, mix, shade, toHex, toRgb } from '../colour.ts';
import { createNoise, fractal } from '../noise.ts';
import { n, verticalGradient } from '../svg.ts';
import type { Drawing, SoftLayer, Studio } from './layer.ts';
import { createRidge, groundPath, ridgePoints } from './ridge.ts';

/** Pools of colour melting into each other along gently bent lines. The ground of abstract pictures. */
export const paintFlow: SoftLayer = async (field, { scene, frame, turns, signal }) => {
  const random = scene.random('flow');
  const noise = createNoise(random);
  const { zenith, middle, horizon, accent, cloudShade, haze } = scene.palette;
  // Skies are pale at the horizon; pools of colour must not be.
  const dim = scene.bokeh > 0 ? 0.56 : 1;
  const rich = (tint: Colour): Colour => ({
    l: Math.min(tint.l, scene.minimal ? 0.9 : 0.84) * dim,
    c: tint.c > 0.02 ? Math.max(tint.c, 0.1) : tint.c,
    // Dark yellow is mustard; dark amber glows.
    h: dim < 1 && tint.h > 60 && tint.h < 118 ? 48 : tint.h,
  });
  const tints = [zenith, middle, horizon, accent, cloudShade, haze, accent, middle].map(rich);
  const across = frame.width / frame.unit;
  const down = frame.height / frame.unit;
  const pools = tints.map((tint) => ({
    u: random.between(-0.1, 1.1) * across,
    v: random.between(-0.1, 1.1) * down,
    reach: random.between(0.7, 1.35),
    rgb: toRgb(tint),
  }));
  const bend = scene.minimal ? 0.18 : random.between(0.3, 0.5);
  const { width, height, data } = field;
  await turns.forEach(
    height,
    (y) => {
      for (let x = 0; x < width; x++) {
        const u = (x / width) * across;
        const v = (y / height) * down;
        const first = fractal(noise, u * 1.1 + 5, v * 1.1, 2);
        const second = fractal(noise, u * 1.1 - 9 + first, v * 1.3 + first * 0.7, 2);
        const pu = u + bend * first;
        const pv = v + bend * second;
        let r = 0;
        let g = 0;
        let b = 0;
        let total = 0;
        for (const pool of pools) {
          const distance = (pu - pool.u) ** 2 + (pv - pool.v) ** 2;
          const weight = pool.reach / (distance + 0.018) ** 1.7;
          r += pool.rgb[0] * weight;
          g += pool.rgb[1] * weight;
          b += pool.rgb[2] * weight;
          total += weight;
        }
        const sheen = 1 + 0.07 * Math.sin((second * 2.4 + first) * Math.PI);
        const i = (y * width + x) * 3;
        data[i] = (r / total) * sheen;
        data[i + 1] = (g / total) * sheen;
        data[i + 2] = (b / total) * sheen;
      }
    },
    signal,
  );
};

/** Translucent sheets with a bright upper edge, one in front of the other. Each call is one sheet. */
export function drawWave({ scene, frame }: Studio, sheet: number): readonly Drawing[] {
  const random = scene.random(`wave ${sheet}`);
  const turn = scene.random('wave turn').between(-24, 24);
  const place = [0.42, 0.62, 0.8, 0.5, 0.7, 0.9, 0.56, 0.76][sheet % 8] ?? 0.6;
  const { middle, horizon, accent, zenith, cloudLit } = scene.palette;
  const tint = mix(random.pick([middle, accent, zenith, horizon]), random.pick([cloudLit, middle]), 0.3);
  const amplitude = random.between(0.1, 0.2);
  const shape = {
    base: place,
    amplitude,
    frequency: random.between(0.7, 1.5),
    octaves: 1,
    kind: 'rolling',
  } as const;
  const points = ridgePoints(createRidge(frame, shape, random), frame, 90);
  const top = Math.min(...points.map(([, y]) => y));
  const id = `wave-${sheet}`;
  const margin = frame.unit * 0.6;
  const edge = points.map(([x, y]) => `${n(x)},${n(y)}`).join(' ');
  const svg =
    `<defs>${verticalGradient(id, top, top + frame.height * 0.5, [
      { at: 0, colour: shade(tint, 0.12), opacity: 0.55 },
      { at: 0.45, colour: tint, opacity: 0.26 },
      { at: 1, colour: shade(tint, -0.12), opacity: 0.05 },
    ])}</defs><g transform="rotate(${n(turn)} ${n(frame.width / 2)} ${n(frame.height / 2)}) translate(${n(frame.width / 2)} 0) scale(1.5 1) translate(${n(-frame.width / 2)} 0)">` +
    `<path d="${groundPath(points, frame.height + margin)}" fill="url(#${id})"/>` +
    `<polyline points="${edge}" fill="none" stroke="${toHex(shade(tint, 0.3, 0.5))}" stroke-opacity="0.5" stroke-width="${n(frame.unit * 0.0016)}"/></g>`;
  return [{ svg, blend: 'over' }];
}
