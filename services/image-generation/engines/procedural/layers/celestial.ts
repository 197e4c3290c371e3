import { colour, mix, shade, toHex, toRgb } from '../colour.ts';
import { over } from '../field.ts';
import { smoothstep } from '../noise.ts';
import { n, radialGradient } from '../svg.ts';
import type { Drawing, SoftLayer, Studio } from './layer.ts';

/** The sun's disc, soft-edged; painted before the clouds so that they pass in front of it. */
export const paintSun: SoftLayer = async (field, { scene, frame, turns, signal }) => {
  const { light, palette, time } = scene;
  if (light.kind !== 'sun') return;
  const low = time !== 'day' && time !== 'noon';
  const radius = low ? 0.058 : 0.04;
  const [r, g, b] = toRgb(palette.light);
  const { width, height, data } = field;
  await turns.forEach(
    height,
    (y) => {
      const dy = ((y / height - light.v) * frame.height) / frame.short;
      if (Math.abs(dy) > radius * 1.2) return;
      for (let x = 0; x < width; x++) {
        const dx = ((x / width - light.u) * frame.width) / frame.short;
        const cover = 1 - smoothstep(radius * (low ? 0.84 : 0.45), radius * 1.16, Math.hypot(dx, dy));
        if (cover > 0) over(data, (y * width + x) * 3, r, g, b, cover * 0.96);
      }
    },
    signal,
  );
};

/** The moon: a bright disc with seas, shaded towards its edge. */
export function drawMoon({ scene, frame }: Studio): readonly Drawing[] {
  if (scene.light.kind !== 'moon') return [];
  const random = scene.random('moon');
  const radius = frame.short * random.between(0.04, 0.062);
  const x = scene.light.u * frame.width;
  const y = scene.light.v * frame.height;
  const { light } = scene.palette;
  const seas = Array.from({ length: 9 }, () => {
    const angle = random.between(0, Math.PI * 2);
    const reach = radius * random.between(0.1, 0.62);
    return `<circle cx="${n(x + Math.cos(angle) * reach)}" cy="${n(y + Math.sin(angle) * reach)}" r="${n(radius * random.between(0.1, 0.3))}"/>`;
  });
  const svg =
    `<defs>${radialGradient('moon', [
      { at: 0, colour: shade(light, 0.03) },
      { at: 0.8, colour: light },
      { at: 1, colour: shade(light, -0.07) },
    ])}<filter id="sea"><feGaussianBlur stdDeviation="${n(radius * 0.07)}"/></filter></defs>` +
    `<circle cx="${n(x)}" cy="${n(y)}" r="${n(radius)}" fill="url(#moon)"/>` +
    `<g fill="${toHex(mix(light, colour(0.6, 0.03, 260), 0.6))}" fill-opacity="0.35" filter="url(#sea)">${seas.join('')}</g>`;
  return [{ svg, blend: 'over', top: y - radius - 2, bottom: y + radius + 2 }];
}
