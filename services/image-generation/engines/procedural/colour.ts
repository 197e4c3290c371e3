/** A colour in OKLCH: lightness 0 to 1, chroma 0 to about 0.37, hue in degrees. */
export interface Colour {
  readonly l: number;
  readonly c: number;
  readonly h: number;
}

/** sRGB, each 0 to 1, gamma-encoded. */
export type Rgb = readonly [number, number, number];

export function colour(l: number, c: number, h: number): Colour {
  return { l, c, h };
}

/** Mix in OKLab: no detour through foreign hues. `share` is b's, 0 to 1. */
export function mix(a: Colour, b: Colour, share: number): Colour {
  const [aa, ab] = chromaVector(a);
  const [ba, bb] = chromaVector(b);
  const x = aa + (ba - aa) * share;
  const y = ab + (bb - ab) * share;
  return { l: a.l + (b.l - a.l) * share, c: Math.hypot(x, y), h: (Math.atan2(y, x) * 180) / Math.PI };
}

/** The colour with lightness and chroma changed: `lightness` is added, `chroma` multiplied. */
export function shade(base: Colour, lightness: number, chroma = 1, hue = 0): Colour {
  return { l: Math.min(1, Math.max(0, base.l + lightness)), c: base.c * chroma, h: base.h + hue };
}

/** OKLCH to sRGB (Ottosson 2020); out of gamut: chroma is taken back until it fits. */
export function toRgb(value: Colour): Rgb {
  let chroma = value.c;
  for (let attempt = 0; attempt < 16; attempt++) {
    const rgb = convert(value.l, chroma, value.h);
    if (rgb.every((channel) => channel >= -0.002 && channel <= 1.002)) {
      return encoded(rgb);
    }
    chroma *= 0.9;
  }
  return encoded(convert(value.l, 0, value.h));
}

/** `#rrggbb`. */
export function toHex(value: Colour): string {
  return `#${toRgb(value)
    .map((channel) =>
      Math.round(channel * 255)
        .toString(16)
        .padStart(2, '0'),
    )
    .join('')}`;
}

/** `count` colours along the stops (at 0 … 1, rising), three floats each. */
export function ramp(stops: readonly (readonly [at: number, colour: Colour])[], count: number): Float32Array {
  const out = new Float32Array(count * 3);
  for (let i = 0; i < count; i++) {
    out.set(toRgb(along(stops, i / (count - 1))), i * 3);
  }
  return out;
}

function along(stops: readonly (readonly [at: number, colour: Colour])[], at: number): Colour {
  const next = stops.findIndex((stop) => stop[0] >= at);
  const upper = stops[next === -1 ? stops.length - 1 : next] as readonly [number, Colour];
  const lower = stops[Math.max(0, (next === -1 ? stops.length : next) - 1)] as readonly [number, Colour];
  const span = upper[0] - lower[0];
  const t = span <= 0 ? 0 : (at - lower[0]) / span;
  return mix(lower[1], upper[1], t * t * (3 - 2 * t) * 0.5 + t * 0.5);
}

function chromaVector(value: Colour): readonly [number, number] {
  const angle = (value.h * Math.PI) / 180;
  return [value.c * Math.cos(angle), value.c * Math.sin(angle)];
}

function convert(lightness: number, chroma: number, hue: number): Rgb {
  const angle = (hue * Math.PI) / 180;
  const a = chroma * Math.cos(angle);
  const b = chroma * Math.sin(angle);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
}

function encoded(linear: Rgb): Rgb {
  return [encode(linear[0]), encode(linear[1]), encode(linear[2])];
}

function encode(channel: number): number {
  const value = channel < 0 ? 0 : channel > 1 ? 1 : channel;
  return value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055;
}
