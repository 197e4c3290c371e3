import { asBuffer, type Canvas, pipeline, scaleTo, toCanvas } from '../canvas.ts';
import { mix, shade, toRgb } from '../colour.ts';
import { clamp01, createNoise, fractal, smoothstep } from '../noise.ts';
import type { Studio } from './layer.ts';

const MAX_WATER_PIXELS = 130_000;

/** Water below the horizon: everything above mirrored in ripples, the sun's glitter, darker near the viewer. */
export async function paintWater(canvas: Canvas, studio: Studio): Promise<Canvas> {
  const { scene, frame, turns, signal } = studio;
  const line = Math.round(scene.horizon * frame.height);
  const high = frame.height - line;
  if (line < 2 || high < 2) return canvas;
  const scale = Math.min(0.75, Math.sqrt(MAX_WATER_PIXELS / (frame.width * high)));
  // Ripples are long and low: fewer columns, more rows.
  const width = Math.max(8, Math.round(frame.width * Math.min(1, scale * 0.8)));
  const height = Math.max(8, Math.round(high * Math.min(1, scale * 1.25)));
  const above = await mirror(canvas, line, width, height, high);
  signal.throwIfAborted();
  const shadePixel = waterShader(studio, above, { width, height, line, high });
  const data = new Uint8Array(width * height * 3);
  await turns.forEach(
    height,
    (row) => {
      for (let column = 0; column < width; column++) shadePixel(column, row, data);
    },
    signal,
  );
  const water = await scaleTo({ data, width, height }, { width: frame.width, height: high });
  signal.throwIfAborted();
  return toCanvas(
    pipeline(canvas).composite([
      { input: asBuffer(water), raw: { width: frame.width, height: high, channels: 3 }, left: 0, top: line },
    ]),
  );
}

/** What stands above the waterline, upside down, small: as high as the water where there is that much. */
async function mirror(
  canvas: Canvas,
  line: number,
  width: number,
  height: number,
  high: number,
): Promise<Canvas> {
  const used = Math.min(line, Math.ceil(high * 1.12));
  return toCanvas(
    pipeline(canvas)
      .extract({ left: 0, top: line - used, width: canvas.width, height: used })
      .flip()
      .resize(width, Math.max(2, Math.round((height * used) / high)), { fit: 'fill' }),
  );
}

function waterShader(
  { scene, frame }: Studio,
  above: Canvas,
  size: { readonly width: number; readonly height: number; readonly line: number; readonly high: number },
): (column: number, row: number, out: Uint8Array) => void {
  const noise = createNoise(scene.random('water'));
  const { palette, light } = scene;
  const calm = scene.water === 'lake' ? 0.35 : 1;
  const deep = toRgb(shade(mix(palette.zenith, palette.ground, 0.35), -0.06, 1.05));
  const crest = toRgb(mix(palette.horizon, palette.light, 0.3));
  const glitter = toRgb(mix(palette.light, palette.horizon, 0.25));
  const sparkle = light.kind === 'none' ? 0 : light.kind === 'moon' ? 0.75 : 1;
  return (column, row, out) => {
    const p = (row + 0.5) / size.height;
    const depth = 1 / (p * 0.93 + 0.07);
    const s = ((column / size.width - 0.5) * frame.width) / frame.unit;
    // Perspective: waves shrink towards the horizon in both directions.
    const wx = s * depth * 2.2;
    const wz = depth * 8.5;
    const wave = fractal(noise, wx, wz, 3, 0.55);
    const chop = noise(wx * 3.1 + 9, wz * 2.7);
    const bend = (wave * 0.075 + chop * 0.02) * calm * (0.25 + p);
    const sourceRow = clamp01(p * 0.98 + bend) * (size.height - 1);
    const sourceColumn = column + (wave + chop * 0.5) * calm * size.width * 0.008 * (0.3 + p);
    const y = Math.min(above.height - 1, Math.max(0, Math.round(sourceRow)));
    const x = Math.min(above.width - 1, Math.max(0, Math.round(sourceColumn)));
    const from = (y * above.width + x) * 3;
    const mirrorShare = clamp01(0.93 - 0.5 * p * (0.6 + 0.4 * calm) - wave * 0.22 * calm);
    const lane = Math.exp(-(((s - (light.u - 0.5) * (frame.width / frame.unit)) / (0.035 + 0.13 * p)) ** 2));
    const glint = sparkle * lane * smoothstep(0.08, 0.42, wave * 0.75 + chop * 0.35) * (0.95 - 0.4 * p);
    const foam = calm * 0.16 * smoothstep(0.25, 0.7, wave) * p;
    const i = (row * size.width + column) * 3;
    for (const channel of [0, 1, 2] as const) {
      const mirrored = (above.data[from + channel] as number) / 255;
      let value = deep[channel] + (mirrored - deep[channel]) * mirrorShare;
      value += (crest[channel] - value) * foam;
      value += (glitter[channel] - value) * clamp01(glint);
      out[i + channel] = clamp01(value) * 255;
    }
  };
}
