import { type Colour, mix, shade, toHex } from '../colour.ts';
import type { Random } from '../random.ts';
import { n } from '../svg.ts';
import type { Studio } from './layer.ts';
import type { Ridge } from './ridge.ts';

interface Stand {
  readonly x: number;
  readonly y: number;
  readonly height: number;
}

/** Trees along a ridge, larger the nearer. Returns SVG elements. */
export function drawTrees(studio: Studio, name: string, ridge: Ridge, depth: number, fill: Colour): string {
  const { scene, frame } = studio;
  const random = scene.random(`trees ${name}`);
  const tall = frame.short * (0.028 + 0.135 * depth ** 1.4);
  const spacing = (tall * (scene.foliage === 'conifer' ? 0.27 : 0.34)) / Math.max(0.25, scene.trees);
  const stands: Stand[] = [];
  const clump = scene.random(`clumps ${name}`);
  const phase = clump.between(0, 20);
  for (let x = -tall; x < frame.width + tall; x += spacing * random.between(0.55, 1.45)) {
    const wood = Math.sin((x / frame.unit) * 7 + phase) + Math.sin((x / frame.unit) * 17 + phase * 2);
    const height = tall * random.between(0.55, 1.15) * (wood > -0.4 ? 1 : 0.72);
    if (wood + 2.4 * scene.trees > random.between(0, 2)) {
      stands.push({ x, y: ridge(x) + tall * 0.06, height });
    }
  }
  if (scene.foliage === 'broadleaf') {
    const tints = [0, 1, 2].map(() => foliage(studio, depth, fill, random));
    return crowns(stands, tints, random);
  }
  const dark = `<path fill="${toHex(fill)}" d="${stands.map((tree) => conifer(tree.x, tree.y, tree.height, random)).join('')}"/>`;
  const snowy = scene.snow > 0 && depth > 0.3 ? snowCaps(studio, stands, random) : '';
  return dark + snowy;
}

/** A ragged spire: tiers of drooping boughs. */
export function conifer(x: number, y: number, height: number, random: Random): string {
  const tiers = height < 10 ? 3 : 6 + Math.floor(random.next() * 4);
  const half = height * random.between(0.15, 0.21);
  const left: string[] = [];
  const right: string[] = [];
  for (let tier = 1; tier <= tiers; tier++) {
    const share = tier / tiers;
    const low = y - height * (1 - share * 0.94);
    const reach = half * share ** 0.85;
    const notch = low - (height / tiers) * 0.3;
    left.push(
      `${n(x - reach * random.between(0.8, 1.15))} ${n(low)}`,
      `${n(x - reach * random.between(0.42, 0.6))} ${n(notch)}`,
    );
    right.push(
      `${n(x + reach * random.between(0.8, 1.15))} ${n(low)}`,
      `${n(x + reach * random.between(0.42, 0.6))} ${n(notch)}`,
    );
  }
  const trunk = half * 0.14;
  return `M${n(x)} ${n(y - height)}L${left.join('L')}L${n(x - trunk)} ${n(y + height * 0.04)}L${n(x + trunk)} ${n(y + height * 0.04)}L${right.toReversed().join('L')}Z`;
}

function snowCaps(studio: Studio, stands: readonly Stand[], random: Random): string {
  const white = mix(studio.scene.palette.horizon, { l: 0.97, c: 0.01, h: 240 }, 0.5);
  const caps = stands
    .filter(({ height }) => height > 12)
    .map(({ x, y, height }) => conifer(x - height * 0.02, y - height * 0.12, height * 0.86, random));
  return `<path fill="${toHex(white)}" fill-opacity="0.34" d="${caps.join('')}"/>`;
}

function foliage(studio: Studio, depth: number, ground: Colour, random: Random): Colour {
  const { scene } = studio;
  const night = scene.time === 'night' || scene.time === 'dusk';
  const fresh = scene.blossom
    ? { l: 0.8, c: 0.09, h: random.between(350, 366) }
    : { l: 0.6, c: 0.15, h: random.between(45, 88) };
  const lit = night ? shade(fresh, -0.3, 0.7) : fresh;
  return mix(mix(scene.palette.haze, lit, 0.25 + 0.75 * depth), ground, random.between(0.05, 0.3));
}

/** Round crowns of leaf clusters, lit from above: all trees of a row as a few paths, one a tone. */
function crowns(stands: readonly Stand[], tints: readonly Colour[], random: Random): string {
  const trunks: string[] = [];
  const tones = tints.flatMap((tint) => [shade(tint, -0.11), tint, shade(tint, 0.07)]);
  const leaves: string[][] = tones.map(() => []);
  for (const { x, y, height } of stands) {
    const half = height * 0.022;
    trunks.push(
      `M${n(x - half * 1.5)} ${n(y + height * 0.05)}L${n(x - half * 0.6)} ${n(y - height * 0.55)}L${n(x + half * 0.6)} ${n(y - height * 0.55)}L${n(x + half * 1.5)} ${n(y + height * 0.05)}Z`,
    );
    const tint = random.whole(0, tints.length - 1) * 3;
    const clusters = height < 14 ? 8 : 44;
    for (let i = 0; i < clusters; i++) {
      const angle = random.between(0, Math.PI * 2);
      const reach = Math.sqrt(random.next());
      const dx = Math.cos(angle) * reach;
      const dy = Math.sin(angle) * reach;
      const r = height * random.between(0.03, 0.075) * (clusters === 8 ? 1.9 : 1);
      const up = -dy + dx * 0.3 + random.between(-0.5, 0.5);
      leaves[tint + (up < -0.25 ? 0 : up < 0.4 ? 1 : 2)]?.push(
        blob(x + dx * height * 0.29, y - height * 0.62 + dy * height * 0.32, r),
      );
    }
  }
  const bark = toHex(shade(tints[0] ?? { l: 0.3, c: 0, h: 0 }, -0.32, 0.4));
  return (
    `<path fill="${bark}" d="${trunks.join('')}"/>` +
    leaves
      .map((paths, tone) => `<path fill="${toHex(tones[tone] as Colour)}" d="${paths.join('')}"/>`)
      .join('')
  );
}

function blob(x: number, y: number, r: number): string {
  return `M${n(x - r)} ${n(y)}a${n(r)} ${n(r * 0.85)} 0 1 0 ${n(2 * r)} 0a${n(r)} ${n(r * 0.85)} 0 1 0 ${n(-2 * r)} 0Z`;
}
