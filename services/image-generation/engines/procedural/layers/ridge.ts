import type { Frame } from '../frame.ts';
import { createNoise, fractal, ridged } from '../noise.ts';
import type { Random } from '../random.ts';

/** The upper edge of a piece of ground: y in pixels for x in pixels. */
export type Ridge = (x: number) => number;

/** Points over twice the picture's width. */
const TABLE_SIZE = 800;

export interface RidgeShape {
  /** Share of the height where the ridge lies on average. */
  readonly base: number;
  /** Height of its ups and downs as a share of the picture's height. */
  readonly amplitude: number;
  /** Features across a square picture. */
  readonly frequency: number;
  readonly octaves: number;
  readonly kind: 'rolling' | 'peaked';
}

export function createRidge(frame: Frame, shape: RidgeShape, random: Random): Ridge {
  const noise = createNoise(random);
  const row = random.between(0, 200);
  const offset = random.between(0, 200);
  const height = (x: number): number => {
    const at = (x / frame.unit) * shape.frequency + offset;
    return shape.kind === 'rolling'
      ? fractal(noise, at, row, shape.octaves, 0.42)
      : 1.75 * (ridged(noise, at, row, shape.octaves, 0.46) - 0.5) + 0.3 * noise(at * 0.5, row + 40);
  };
  // Textures ask for the ridge at every pixel: a table with straight lines between its points is enough.
  const step = (2 * frame.width) / TABLE_SIZE;
  const table = Float64Array.from({ length: TABLE_SIZE + 2 }, (_, i) => {
    return (shape.base - shape.amplitude * height(i * step - frame.width / 2)) * frame.height;
  });
  return (x) => {
    const at = Math.min(TABLE_SIZE, Math.max(0, (x + frame.width / 2) / step));
    const index = Math.floor(at);
    const left = table[index] as number;
    return left + ((table[index + 1] as number) - left) * (at - index);
  };
}

/** Points along the ridge from edge to edge, a little over both. */
export function ridgePoints(ridge: Ridge, frame: Frame, count: number): [number, number][] {
  const margin = frame.unit * 0.01;
  return Array.from({ length: count + 1 }, (_, i) => {
    const x = -margin + ((frame.width + 2 * margin) * i) / count;
    return [x, ridge(x)];
  });
}

/** The ground below the ridge as SVG path data. */
export function groundPath(points: readonly (readonly [number, number])[], bottom: number): string {
  const first = points[0] as readonly [number, number];
  const last = points.at(-1) as readonly [number, number];
  const line = points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join('L');
  return `M${first[0].toFixed(1)} ${bottom.toFixed(1)}L${line}L${last[0].toFixed(1)} ${bottom.toFixed(1)}Z`;
}
