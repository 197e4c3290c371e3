import { colour, mix, shade, toHex } from '../colour.ts';
import { n } from '../svg.ts';
import { groundColour } from './hills.ts';
import type { Drawing, Studio } from './layer.ts';

/** A band of grass blades along the lower edge; each further band is nearer, larger and darker. */
export function drawGrass({ scene, frame }: Studio, band: number, bands: number): readonly Drawing[] {
  const random = scene.random(`grass ${band}`);
  const near = (band + 1) / bands;
  const dim = scene.time === 'night' || scene.time === 'dusk' || scene.time === 'sunset';
  const base = mix(groundColour(scene, 0.75), dim ? scene.palette.ground : colour(0.52, 0.12, 135), 0.45);
  const tall = frame.short * (0.05 + 0.085 * near);
  const level = frame.height * (0.9 + 0.12 * near);
  const count = Math.round((150 * frame.width) / frame.unit);
  const tones = [-0.06, 0, 0.05].map((step) => toHex(shade(base, step - 0.13 * near)));
  const blades: string[][] = [[], [], []];
  for (let i = 0; i < count; i++) {
    const x = ((i + random.between(-1, 1)) / count) * frame.width;
    const height = tall * random.between(0.45, 1.15);
    const lean = height * random.between(-0.38, 0.42);
    const half = tall * random.between(0.012, 0.026);
    const foot = level + tall * random.between(-0.15, 0.3);
    blades[random.whole(0, 2)]?.push(
      `M${n(x - half)} ${n(foot)}Q${n(x + lean * 0.25)} ${n(foot - height * 0.6)} ${n(x + lean)} ${n(foot - height)}Q${n(x + lean * 0.35)} ${n(foot - height * 0.55)} ${n(x + half)} ${n(foot)}Z`,
    );
  }
  const floor = `<rect x="0" y="${n(level - tall * 0.05)}" width="${frame.width}" height="${n(frame.height)}" fill="${tones[0]}"/>`;
  const svg =
    floor + blades.map((paths, tone) => `<path fill="${tones[tone]}" d="${paths.join('')}"/>`).join('');
  const blooming = scene.flowers > 0 ? svg + flowers(scene, frame, band, near, level, tall) : svg;
  return [{ svg: blooming, blend: 'over', top: level - tall * 1.4 }];
}

function flowers(
  scene: Studio['scene'],
  frame: Studio['frame'],
  band: number,
  near: number,
  level: number,
  tall: number,
): string {
  const random = scene.random(`flowers ${band}`);
  const dim = scene.time === 'night' || scene.time === 'dusk' ? -0.22 : 0;
  const { accent } = scene.palette;
  const tints = [
    shade(accent, dim, 1.15),
    shade(accent, dim + 0.07, 0.9, 25),
    shade(accent, dim - 0.06, 1.15, -25),
  ];
  return Array.from({ length: Math.round((34 * frame.width) / frame.unit) }, () => {
    const x = random.next() * frame.width;
    const y = level - tall * random.between(0.25, 0.95);
    const r = frame.short * random.between(0.0035, 0.0075) * (0.55 + near);
    const fill = toHex(tints[random.whole(0, 2)] ?? accent);
    const turn = random.between(0, 72);
    const petals = [0, 72, 144, 216, 288]
      .map((angle) => {
        const a = ((angle + turn) * Math.PI) / 180;
        return `<circle cx="${n(x + Math.cos(a) * r)}" cy="${n(y + Math.sin(a) * r * 0.7)}" r="${n(r * 0.72)}"/>`;
      })
      .join('');
    return `<g fill="${fill}">${petals}</g><circle cx="${n(x)}" cy="${n(y)}" r="${n(r * 0.5)}" fill="${toHex(colour(0.88 + dim, 0.13, 92))}"/>`;
  }).join('');
}
