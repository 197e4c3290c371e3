import { mix, ramp, shade, toRgb } from '../colour.ts';
import { screen } from '../field.ts';
import { createNoise } from '../noise.ts';
import type { SoftLayer } from './layer.ts';

const RAMP_SIZE = 256;

/** The sky's colours from zenith to horizon, bent a little by large soft noise. */
export const paintSky: SoftLayer = async (field, { scene, frame, turns, signal }) => {
  const { zenith, middle, horizon, haze } = scene.palette;
  const colours = ramp(
    [
      [0, zenith],
      [0.52, middle],
      [0.92, horizon],
      [1, mix(horizon, haze, 0.4)],
    ],
    RAMP_SIZE,
  );
  const noise = createNoise(scene.random('sky'));
  const { width, height, data } = field;
  await turns.forEach(
    height,
    (y) => {
      const v = y / height;
      for (let x = 0; x < width; x++) {
        const u = ((x / width) * frame.width) / frame.unit;
        const bend = 0.07 * noise(u * 1.3, v * 1.7);
        const at = Math.min(1, Math.max(0, v / Math.min(1, scene.horizon) + bend));
        const from = Math.floor(at * (RAMP_SIZE - 1)) * 3;
        const i = (y * width + x) * 3;
        data[i] = colours[from] as number;
        data[i + 1] = colours[from + 1] as number;
        data[i + 2] = colours[from + 2] as number;
      }
    },
    signal,
  );
};

/** The light spread in the air around sun or moon, and along the horizon below a low sun. */
export const paintGlow: SoftLayer = async (field, { scene, frame, turns, signal }) => {
  const { light, palette, time } = scene;
  if (light.kind === 'none') return;
  const [r, g, b] = toRgb(mix(palette.light, palette.horizon, light.kind === 'sun' ? 0.35 : 0.2));
  const [wr, wg, wb] = toRgb(shade(palette.horizon, 0, 1.1));
  const strength = light.kind === 'moon' ? 0.4 : time === 'noon' || time === 'day' ? 0.55 : 0.75;
  const low = light.kind === 'sun' && time !== 'noon' && time !== 'day' ? 0.35 : 0.08;
  const { width, height, data } = field;
  await turns.forEach(
    height,
    (y) => {
      const v = y / height;
      const dy = ((v - light.v) * frame.height) / frame.short;
      const band = low * Math.exp(-(((v - scene.horizon) / 0.16) ** 2));
      for (let x = 0; x < width; x++) {
        const dx = ((x / width - light.u) * frame.width) / frame.short;
        const distance = Math.hypot(dx, dy);
        const near = strength * (0.85 * Math.exp(-distance * 8) + 0.5 * Math.exp(-distance * 2.4));
        const wide = band * Math.exp(-Math.abs(dx) * 1.1);
        screen(data, (y * width + x) * 3, r * near + wr * wide, g * near + wg * wide, b * near + wb * wide);
      }
    },
    signal,
  );
};
