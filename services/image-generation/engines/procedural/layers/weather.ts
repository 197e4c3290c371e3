import { colour, mix, toHex } from '../colour.ts';
import { n } from '../svg.ts';
import type { Drawing, Studio } from './layer.ts';

/** Rain: slanted streaks, the near ones longer and brighter. */
export function drawRain({ scene, frame }: Studio, round: number): readonly Drawing[] {
  const random = scene.random(`rain ${round}`);
  const near = round === 0 ? 0.55 : 1;
  const slant = scene.random('wind').between(-0.22, 0.22);
  const tint = toHex(mix(scene.palette.horizon, colour(0.95, 0.01, 240), 0.6));
  const streaks = Array.from({ length: Math.round((230 * frame.width) / frame.unit) }, () => {
    const x = random.between(-0.1, 1.1) * frame.width;
    const y = random.between(-0.1, 1) * frame.height;
    const length = frame.unit * random.between(0.018, 0.05) * near;
    return `M${n(x)} ${n(y)}l${n(slant * length)} ${n(length)}`;
  });
  const svg = `<path d="${streaks.join('')}" fill="none" stroke="${tint}" stroke-opacity="${n(0.2 + 0.12 * near)}" stroke-width="${n(frame.unit * 0.0011 * (0.6 + near))}" stroke-linecap="round"/>`;
  return [{ svg, blend: 'over' }];
}

/** Falling snow: small sharp flakes and a few large soft ones near the viewer. */
export function drawSnowfall({ scene, frame }: Studio, round: number): readonly Drawing[] {
  const random = scene.random(`snowfall ${round}`);
  const white = { l: 0.98, c: 0.008, h: 240 };
  const flakes = Array.from({ length: Math.round((240 * frame.width) / frame.unit) }, () => {
    const near = random.next() ** 4;
    const r = frame.unit * (0.0011 + 0.009 * near);
    return `<circle cx="${n(random.next() * frame.width)}" cy="${n(random.next() * frame.height)}" r="${n(r)}" fill="url(#flake)" fill-opacity="${n((0.35 + 0.6 * random.next()) * (1 - 0.55 * near))}"/>`;
  });
  const defs = `<defs><radialGradient id="flake"><stop offset="0.35" stop-color="${toHex(white)}"/><stop offset="1" stop-color="${toHex(white)}" stop-opacity="0"/></radialGradient></defs>`;
  return [{ svg: defs + flakes.join(''), blend: 'over' }];
}

/** A veil of mist lying over the land at a height (v), as thick as the scene's fog. */
export function drawMist(
  { scene, frame }: Studio,
  name: string,
  v: number,
  strength: number,
): readonly Drawing[] {
  const { haze, horizon } = scene.palette;
  const tint = toHex(mix(haze, horizon, 0.4));
  const random = scene.random(`mist ${name}`);
  const opacity = Math.min(0.85, strength * (0.12 + 0.62 * scene.fog));
  const banks = Array.from({ length: 5 }, () => {
    const x = random.next() * frame.width;
    const y = (v + random.between(-0.05, 0.06)) * frame.height;
    const rx = frame.unit * random.between(0.35, 0.75);
    return `<ellipse cx="${n(x)}" cy="${n(y)}" rx="${n(rx)}" ry="${n(frame.height * random.between(0.035, 0.085))}" fill="url(#mist-${name})" fill-opacity="${n(opacity * random.between(0.5, 1))}"/>`;
  });
  const defs = `<defs><radialGradient id="mist-${name}"><stop offset="0" stop-color="${tint}" stop-opacity="0.9"/><stop offset="0.5" stop-color="${tint}" stop-opacity="0.42"/><stop offset="1" stop-color="${tint}" stop-opacity="0"/></radialGradient></defs>`;
  const [middle, reach] = [v * frame.height, 0.15 * frame.height];
  return [{ svg: defs + banks.join(''), blend: 'over', top: middle - reach, bottom: middle + reach }];
}

/** Shafts of light fanning out from the sun. */
export function drawRays({ scene, frame }: Studio): readonly Drawing[] {
  if (scene.light.kind === 'none') return [];
  const random = scene.random('rays');
  const x = scene.light.u * frame.width;
  const y = scene.light.v * frame.height;
  const tint = toHex(scene.palette.light);
  const reach = frame.unit * 1.1;
  const shafts = Array.from({ length: 13 }, (_, i) => {
    const angle = Math.PI * (0.05 + 0.9 * ((i + random.next()) / 13));
    const half = random.between(0.008, 0.035);
    const corner = (a: number): string => `${n(x + Math.cos(a) * reach)} ${n(y + Math.sin(a) * reach)}`;
    return `<path d="M${n(x)} ${n(y)}L${corner(angle - half)}L${corner(angle + half)}Z" fill-opacity="${n(random.between(0.1, 0.34))}"/>`;
  });
  const defs = `<defs><radialGradient id="shaft" gradientUnits="userSpaceOnUse" cx="${n(x)}" cy="${n(y)}" r="${n(reach)}"><stop offset="0" stop-color="${tint}" stop-opacity="0.9"/><stop offset="0.8" stop-color="${tint}" stop-opacity="0"/></radialGradient><filter id="soft"><feGaussianBlur stdDeviation="${n(frame.unit * 0.006)}"/></filter></defs>`;
  return [
    { svg: `${defs}<g fill="url(#shaft)" filter="url(#soft)">${shafts.join('')}</g>`, blend: 'screen' },
  ];
}
