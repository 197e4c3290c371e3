import type { Random } from './random.ts';

/** Smooth noise over the plane, about −1 to 1, zero on average. One unit is one feature. */
export type Noise = (x: number, y: number) => number;

/** Gradient noise (Perlin 2002, sixteen directions) with its own permutation. */
export function createNoise(random: Random): Noise {
  const permutation = shuffled(random);
  const angles = permutation.subarray(0, 512).map((cell) => cell & 15);
  const gradientX = Float64Array.from(angles, (direction) => Math.cos((direction * Math.PI) / 8));
  const gradientY = Float64Array.from(angles, (direction) => Math.sin((direction * Math.PI) / 8));
  return (x, y) => {
    const left = Math.floor(x);
    const top = Math.floor(y);
    const dx = x - left;
    const dy = y - top;
    const column = left & 255;
    const row = top & 255;
    const a = (permutation[column] as number) + row;
    const b = (permutation[column + 1] as number) + row;
    const fadeX = dx * dx * dx * (dx * (dx * 6 - 15) + 10);
    const fadeY = dy * dy * dy * (dy * (dy * 6 - 15) + 10);
    const n00 = (gradientX[a] as number) * dx + (gradientY[a] as number) * dy;
    const n10 = (gradientX[b] as number) * (dx - 1) + (gradientY[b] as number) * dy;
    const n01 = (gradientX[a + 1] as number) * dx + (gradientY[a + 1] as number) * (dy - 1);
    const n11 = (gradientX[b + 1] as number) * (dx - 1) + (gradientY[b + 1] as number) * (dy - 1);
    const upper = n00 + (n10 - n00) * fadeX;
    return 1.5 * (upper + (n01 + (n11 - n01) * fadeX - upper) * fadeY);
  };
}

/** Sum of octaves, each twice as fine and `gain` times as strong; about −1 to 1. */
export function fractal(noise: Noise, x: number, y: number, octaves: number, gain = 0.5): number {
  let sum = 0;
  let amplitude = 1;
  let total = 0;
  let fx = x;
  let fy = y;
  for (let octave = 0; octave < octaves; octave++) {
    sum += amplitude * noise(fx, fy);
    total += amplitude;
    amplitude *= gain;
    // Not exactly 2, and shifted: lattices of octaves must not line up.
    fx = fx * 2.03 + 17.31;
    fy = fy * 2.01 - 9.73;
  }
  return sum / total;
}

/** Octaves folded at zero: sharp crests, 0 to 1. */
export function ridged(noise: Noise, x: number, y: number, octaves: number, gain = 0.5): number {
  let sum = 0;
  let amplitude = 1;
  let total = 0;
  let fx = x;
  let fy = y;
  for (let octave = 0; octave < octaves; octave++) {
    const crest = 1 - Math.abs(noise(fx, fy));
    sum += amplitude * crest * crest;
    total += amplitude;
    amplitude *= gain;
    fx = fx * 2.07 + 5.17;
    fy = fy * 2.05 + 11.9;
  }
  return sum / total;
}

export function smoothstep(low: number, high: number, value: number): number {
  const t = clamp01((value - low) / (high - low));
  return t * t * (3 - 2 * t);
}

export function clamp01(value: number): number {
  return value < 0 ? 0 : value > 1 ? 1 : value;
}

function shuffled(random: Random): Uint8Array {
  const table = Uint8Array.from({ length: 256 }, (_, i) => i);
  for (let i = 255; i > 0; i--) {
    const j = random.whole(0, i);
    const kept = table[i] as number;
    table[i] = table[j] as number;
    table[j] = kept;
  }
  const doubled = new Uint8Array(514);
  doubled.set(table);
  doubled.set(table, 256);
  doubled.set(table.subarray(0, 2), 512);
  return doubled;
}
