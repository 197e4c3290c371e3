import { colour, toHex } from '../colour.ts';
import { n, radialGradient } from '../svg.ts';
import type { Drawing, Studio } from './layer.ts';

/** Stars above the horizon: many faint, few bright ones with a halo. Each call is one more exposure. */
export function drawStars({ scene, frame }: Studio, exposure: number): readonly Drawing[] {
  const random = scene.random(`stars ${exposure}`);
  const space = scene.kind === 'space';
  const bottom = Math.min(1, scene.horizon);
  const count = Math.round((space ? 520 : 300) * scene.stars * bottom * (exposure === 0 ? 1 : 0.5));
  const pixel = Math.max(0.35, frame.unit / 1000);
  const tints = [colour(0.98, 0.01, 90), colour(0.93, 0.04, 250), colour(0.94, 0.05, 70)].map(toHex);
  const shapes = Array.from({ length: count }, () => {
    const x = random.next() * frame.width;
    const y = random.next() ** 1.15 * bottom * frame.height;
    const bright = random.next() ** 7;
    const radius = pixel * (0.42 + 1.5 * bright);
    const opacity =
      (0.28 + 0.72 * random.next()) * (1 - 0.6 * (y / (bottom * frame.height)) ** 3 * (space ? 0 : 1));
    const tint = tints[random.whole(0, 2)];
    const halo =
      bright > 0.55
        ? `<circle cx="${n(x)}" cy="${n(y)}" r="${n(radius * 6)}" fill="url(#halo)" fill-opacity="${n(opacity * 0.5)}"/>`
        : '';
    return `${halo}<circle cx="${n(x)}" cy="${n(y)}" r="${n(radius)}" fill="${tint}" fill-opacity="${n(opacity)}"/>`;
  });
  const halo = radialGradient('halo', [
    { at: 0, colour: colour(0.9, 0.05, 250), opacity: 0.9 },
    { at: 1, colour: colour(0.8, 0.08, 260), opacity: 0 },
  ]);
  return [
    {
      svg: `<defs>${halo}</defs>${shapes.join('')}`,
      blend: 'over',
      bottom: bottom * frame.height + 8 * pixel,
    },
  ];
}

/** A planet with a lit limb: the eye-catcher of space pictures. */
export function drawPlanet({ scene, frame }: Studio): readonly Drawing[] {
  const random = scene.random('planet');
  const radius = frame.short * random.between(0.1, 0.24);
  const x = frame.width * random.between(0.15, 0.85);
  const y = frame.height * random.between(0.2, 0.85);
  const angle = random.between(0, 360);
  const { middle, accent, zenith } = scene.palette;
  const body = { l: 0.62, c: 0.11, h: random.chance(0.5) ? accent.h : middle.h + 40 };
  const svg =
    `<defs><radialGradient id="globe" cx="0.3" cy="0.3" r="0.85" fx="0.22" fy="0.22"><stop offset="0" stop-color="${toHex({ ...body, l: 0.86, c: 0.07 })}"/><stop offset="0.35" stop-color="${toHex(body)}"/><stop offset="0.72" stop-color="${toHex({ ...body, l: 0.26, c: 0.07 })}"/><stop offset="1" stop-color="${toHex(zenith)}"/></radialGradient>` +
    `${radialGradient('air', [
      { at: 0.86, colour: { ...body, l: 0.8 }, opacity: 0.35 },
      { at: 1, colour: body, opacity: 0 },
    ])}</defs><g transform="rotate(${n(angle)} ${n(x)} ${n(y)})">` +
    `<circle cx="${n(x - radius * 0.06)}" cy="${n(y - radius * 0.06)}" r="${n(radius * 1.12)}" fill="url(#air)"/><circle cx="${n(x)}" cy="${n(y)}" r="${n(radius)}" fill="url(#globe)"/></g>`;
  return [{ svg, blend: 'over' }];
}
