import { colour, mix, shade, toHex } from '../colour.ts';
import { n, verticalGradient } from '../svg.ts';
import { sandColour } from './dunes.ts';
import type { Drawing, Studio } from './layer.ts';
import { createRidge, groundPath, ridgePoints } from './ridge.ts';

/** A sandy shore in the foreground, wet at its edge, with lines of foam running up. */
export function drawBeach({ scene, frame }: Studio): readonly Drawing[] {
  const random = scene.random('beach');
  const base = scene.horizon + (1 - scene.horizon) * random.between(0.6, 0.72);
  const tilt = random.between(-0.12, 0.12) * frame.height;
  const shape = { base, amplitude: 0.03, frequency: 1.6, octaves: 3, kind: 'rolling' } as const;
  const ridge = createRidge(frame, shape, random);
  const edge = ridgePoints(ridge, frame, 120).map(
    ([x, y]) => [x, y + tilt * (x / frame.width - 0.5)] as [number, number],
  );
  const sand = mix(shade(sandColour(scene), 0.02), scene.palette.horizon, 0.1);
  const wet = mix(shade(sand, -0.16), scene.palette.middle, 0.35);
  const foam = toHex(mix(colour(0.97, 0.01, 220), scene.palette.horizon, 0.35));
  const top = Math.min(...edge.map(([, y]) => y));
  const band = (shift: number): [number, number][] => edge.map(([x, y]) => [x, y + shift * frame.height]);
  const line = (shift: number, width: number, opacity: number): string =>
    `<polyline points="${band(shift)
      .map(([x, y]) => `${n(x)},${n(y + random.between(-0.0016, 0.0016) * frame.height)}`)
      .join(
        ' ',
      )}" fill="none" stroke="${foam}" stroke-opacity="${n(opacity)}" stroke-width="${n(frame.unit * width)}" stroke-linejoin="round"/>`;
  const svg =
    `<defs>${verticalGradient('wet', top, top + frame.height * 0.12, [
      { at: 0, colour: wet, opacity: 0.5 },
      { at: 1, colour: wet },
    ])}${verticalGradient('sand', top, frame.height, [
      { at: 0, colour: shade(sand, 0.02) },
      { at: 1, colour: shade(sand, -0.1) },
    ])}</defs>` +
    line(-0.035, 0.003, 0.35) +
    line(-0.016, 0.0045, 0.5) +
    `<path d="${groundPath(band(0), frame.height + 2)}" fill="url(#wet)"/><path d="${groundPath(band(0.045), frame.height + 2)}" fill="url(#sand)"/>` +
    line(0, 0.007, 0.85) +
    line(0.006, 0.003, 0.4);
  return [{ svg, blend: 'over', top: top - frame.height * 0.05 }];
}
