import { type Colour, shade, toHex } from '../colour.ts';
import { n } from '../svg.ts';
import type { Drawing, Studio } from './layer.ts';

/** Blurred lights: discs with a slightly brighter rim, near ones large and faint. Each round adds smaller ones. */
export function drawBokeh({ scene, frame }: Studio, round: number): readonly Drawing[] {
  const random = scene.random(`bokeh ${round}`);
  const { accent, light, horizon, aurora, cloudLit } = scene.palette;
  const tints: readonly Colour[] = [accent, light, horizon, shade(accent, 0, 1.1, -38), cloudLit, aurora];
  const city = scene.terrain === 'city';
  const count = Math.round(
    (scene.minimal ? 10 : scene.bokeh > 0 ? 34 : 24) *
      Math.max(0.7, frame.unit > 0 ? frame.width / frame.unit : 1),
  );
  const size = (frame.short * (scene.bokeh > 0 ? 0.105 : 0.07)) / (1 + 0.5 * round);
  const used = tints.map((tint, index) => disc(`bokeh-${round}-${index}`, tint));
  const discs = Array.from({ length: count }, () => {
    const x = random.next() * frame.width;
    const spread = city ? 1 - 0.42 * random.next() ** 1.4 : random.next();
    const radius = size * random.between(0.3, 1.1);
    const opacity = random.between(0.2, 0.62 + 0.38 * scene.bokeh) * (1 - 0.4 * (radius / size));
    const tint = random.whole(0, city || scene.kind === 'abstract' ? 4 : 2);
    return `<circle cx="${n(x)}" cy="${n(spread * frame.height)}" r="${n(radius)}" fill="url(#bokeh-${round}-${tint})" fill-opacity="${n(opacity)}"/>`;
  });
  return [{ svg: `<defs>${used.join('')}</defs>${discs.join('')}`, blend: 'screen' }];
}

/** Small warm lights in the air, each with a halo. */
export function drawFireflies({ scene, frame }: Studio, round: number): readonly Drawing[] {
  const random = scene.random(`fireflies ${round}`);
  const tint: Colour = { l: 0.9, c: 0.14, h: 92 };
  const lights = Array.from({ length: 44 }, () => {
    const x = random.next() * frame.width;
    const y = frame.height * (1 - 0.55 * random.next() ** 1.2);
    const r = frame.short * random.between(0.0022, 0.0062);
    const opacity = random.between(0.4, 1);
    return `<circle cx="${n(x)}" cy="${n(y)}" r="${n(r * 7)}" fill="url(#fly)" fill-opacity="${n(opacity * 0.55)}"/><circle cx="${n(x)}" cy="${n(y)}" r="${n(r)}" fill="${toHex(shade(tint, 0.07, 0.6))}" fill-opacity="${n(opacity)}"/>`;
  });
  const halo = `<radialGradient id="fly"><stop offset="0" stop-color="${toHex(tint)}" stop-opacity="0.8"/><stop offset="0.4" stop-color="${toHex(tint)}" stop-opacity="0.22"/><stop offset="1" stop-color="${toHex(tint)}" stop-opacity="0"/></radialGradient>`;
  return [{ svg: `<defs>${halo}</defs>${lights.join('')}`, blend: 'screen' }];
}

function disc(id: string, tint: Colour): string {
  const fill = toHex(tint);
  return `<radialGradient id="${id}"><stop offset="0" stop-color="${fill}" stop-opacity="0.62"/><stop offset="0.8" stop-color="${fill}" stop-opacity="0.74"/><stop offset="0.9" stop-color="${fill}" stop-opacity="1"/><stop offset="1" stop-color="${fill}" stop-opacity="0"/></radialGradient>`;
}
