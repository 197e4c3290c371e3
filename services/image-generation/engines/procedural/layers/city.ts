import { colour, mix, shade, toHex } from '../colour.ts';
import type { Random } from '../random.ts';
import type { Scene } from '../scene.ts';
import { n, verticalGradient } from '../svg.ts';
import type { Drawing, Studio } from './layer.ts';

interface Tower {
  readonly x: number;
  readonly width: number;
  readonly top: number;
}

/** One row of towers with lit windows. Depth 0 far, 1 near. */
export function drawCity({ scene, frame }: Studio, name: string, depth: number): readonly Drawing[] {
  const random = scene.random(`city ${name}`);
  const foot = frame.height * (scene.water === 'none' ? 1 : Math.min(1, scene.horizon)) + 1;
  const base = frame.height * (scene.horizon + (scene.water === 'none' ? 0.08 + 0.26 * depth : 0));
  const high = frame.height * (0.34 - 0.08 * depth) * (frame.width / frame.height < 0.7 ? 0.75 : 1);
  const towers: Tower[] = [];
  const centre = random.between(0.3, 0.7) * frame.width;
  for (let x = -frame.unit * 0.02; x < frame.width; ) {
    const width = frame.unit * random.between(0.022, 0.055) * (0.75 + 0.6 * depth);
    const crowd = Math.exp(-(((x - centre) / (frame.width * 0.33)) ** 2));
    const rise = high * (0.16 + random.next() ** 1.8 * (0.28 + 0.75 * crowd));
    towers.push({ x, width, top: base - rise });
    x += width * random.between(0.82, 1.12);
  }
  const { haze, ground, zenith } = scene.palette;
  const face = mix(haze, mix(ground, zenith, 0.3), 0.3 + 0.62 * depth);
  const id = `city-${name}`;
  const path = towers.map((tower) => towerPath(tower, foot, random)).join('');
  const svg = `<defs>${verticalGradient(id, base - high, base + frame.height * 0.1, [
    { at: 0, colour: face },
    { at: 1, colour: mix(face, haze, 0.5 * (1 - depth) + 0.08) },
  ])}</defs><path fill="url(#${id})" d="${path}"/>${windows(scene, towers, frame.unit, foot, depth, random)}`;
  const top = Math.min(...towers.map((tower) => tower.top - tower.width));
  return [{ svg, blend: 'over', top, bottom: foot }];
}

function towerPath({ x, width, top }: Tower, foot: number, random: Random): string {
  const crown = random.next();
  const right = x + width;
  const step = width * 0.22;
  const roof =
    crown < 0.55
      ? `L${n(x)} ${n(top)}L${n(right)} ${n(top)}`
      : crown < 0.8
        ? `L${n(x)} ${n(top + step)}L${n(x + step)} ${n(top + step)}L${n(x + step)} ${n(top)}L${n(right - step)} ${n(top)}L${n(right - step)} ${n(top + step)}L${n(right)} ${n(top + step)}`
        : `L${n(x)} ${n(top + step)}L${n(x + width * 0.46)} ${n(top)}L${n(x + width * 0.48)} ${n(top - width * 0.9)}L${n(x + width * 0.52)} ${n(top - width * 0.9)}L${n(x + width * 0.54)} ${n(top)}L${n(right)} ${n(top + step)}`;
  return `M${n(x)} ${n(foot)}${roof}L${n(right)} ${n(foot)}Z`;
}

function windows(
  scene: Scene,
  towers: readonly Tower[],
  unit: number,
  foot: number,
  depth: number,
  random: Random,
): string {
  const dark = scene.time === 'night' || scene.time === 'dusk';
  const lit = dark ? 0.42 : scene.time === 'sunset' ? 0.2 : 0.06;
  const pitch = unit * (0.0085 + 0.0045 * depth);
  const panes: Record<'warm' | 'white' | 'cool', string[]> = { warm: [], white: [], cool: [] };
  for (const { x, width, top } of towers) {
    const kind = random.pick<'warm' | 'white' | 'cool'>(['warm', 'warm', 'white', 'cool']);
    const share = lit * random.between(0.3, 1.3);
    const columns = Math.max(1, Math.floor((width * 0.8) / pitch));
    const inset = (width - columns * pitch) / 2;
    for (let y = top + pitch * 1.4; y < foot - pitch; y += pitch * 1.25) {
      for (let column = 0; column < columns; column++) {
        if (random.next() > share) continue;
        const left = x + inset + column * pitch + pitch * 0.22;
        panes[kind].push(`M${n(left)} ${n(y)}h${n(pitch * 0.56)}v${n(pitch * 0.6)}h${n(-pitch * 0.56)}z`);
      }
    }
  }
  const glow = { warm: colour(0.86, 0.12, 78), white: colour(0.94, 0.05, 95), cool: colour(0.82, 0.08, 225) };
  const opacity = 0.3 + 0.55 * depth;
  return (['warm', 'white', 'cool'] as const)
    .map((kind) => {
      const tint = mix(scene.palette.haze, shade(glow[kind], 0), 0.55 + 0.45 * depth);
      return `<path fill="${toHex(mix(tint, scene.palette.accent, 0.15))}" fill-opacity="${n(opacity)}" d="${panes[kind].join('')}"/>`;
    })
    .join('');
}
