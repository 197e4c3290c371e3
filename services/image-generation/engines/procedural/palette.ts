import { type Colour, colour, mix, shade } from './colour.ts';
import { clamp01 } from './noise.ts';
import type { PromptReading } from './prompt-reading.ts';
import type { Random } from './random.ts';
import type { PaletteRole } from './vocabulary.ts';

export type TimeOfDay = 'sunrise' | 'day' | 'noon' | 'golden' | 'sunset' | 'dusk' | 'night';

/** The colours of one picture. */
export interface Palette {
  readonly zenith: Colour;
  readonly middle: Colour;
  readonly horizon: Colour;
  /** Sun, moon and their glow. */
  readonly light: Colour;
  readonly cloudLit: Colour;
  readonly cloudShade: Colour;
  /** What far things fade into. */
  readonly haze: Colour;
  /** The nearest ground. */
  readonly ground: Colour;
  readonly accent: Colour;
  readonly aurora: Colour;
}

/** Skies as photographed, simplified and picked by eye. */
const PALETTES: Readonly<Record<TimeOfDay, Palette>> = {
  sunrise: {
    zenith: colour(0.55, 0.09, 268),
    middle: colour(0.76, 0.09, 345),
    horizon: colour(0.92, 0.085, 78),
    light: colour(0.98, 0.06, 88),
    cloudLit: colour(0.9, 0.085, 40),
    cloudShade: colour(0.62, 0.075, 315),
    haze: colour(0.82, 0.07, 40),
    ground: colour(0.29, 0.045, 285),
    accent: colour(0.8, 0.13, 20),
    aurora: colour(0.8, 0.16, 165),
  },
  day: {
    zenith: colour(0.56, 0.125, 252),
    middle: colour(0.74, 0.095, 240),
    horizon: colour(0.92, 0.035, 215),
    light: colour(0.99, 0.03, 95),
    cloudLit: colour(0.985, 0.008, 80),
    cloudShade: colour(0.76, 0.035, 255),
    haze: colour(0.84, 0.045, 230),
    ground: colour(0.39, 0.075, 148),
    accent: colour(0.85, 0.14, 85),
    aurora: colour(0.85, 0.14, 165),
  },
  noon: {
    zenith: colour(0.64, 0.13, 247),
    middle: colour(0.8, 0.085, 232),
    horizon: colour(0.95, 0.025, 210),
    light: colour(0.995, 0.02, 100),
    cloudLit: colour(0.995, 0.004, 80),
    cloudShade: colour(0.82, 0.03, 250),
    haze: colour(0.89, 0.035, 225),
    ground: colour(0.46, 0.095, 145),
    accent: colour(0.88, 0.14, 90),
    aurora: colour(0.85, 0.14, 165),
  },
  golden: {
    zenith: colour(0.6, 0.065, 235),
    middle: colour(0.8, 0.075, 85),
    horizon: colour(0.93, 0.105, 85),
    light: colour(0.985, 0.07, 92),
    cloudLit: colour(0.94, 0.085, 80),
    cloudShade: colour(0.62, 0.06, 50),
    haze: colour(0.86, 0.095, 78),
    ground: colour(0.34, 0.06, 80),
    accent: colour(0.8, 0.15, 65),
    aurora: colour(0.85, 0.14, 150),
  },
  sunset: {
    zenith: colour(0.36, 0.11, 285),
    middle: colour(0.61, 0.155, 8),
    horizon: colour(0.87, 0.14, 72),
    light: colour(0.975, 0.09, 85),
    cloudLit: colour(0.8, 0.15, 42),
    cloudShade: colour(0.42, 0.1, 318),
    haze: colour(0.7, 0.13, 32),
    ground: colour(0.19, 0.055, 300),
    accent: colour(0.75, 0.17, 40),
    aurora: colour(0.8, 0.16, 170),
  },
  dusk: {
    zenith: colour(0.25, 0.085, 275),
    middle: colour(0.43, 0.115, 300),
    horizon: colour(0.74, 0.11, 25),
    light: colour(0.95, 0.05, 75),
    cloudLit: colour(0.64, 0.12, 355),
    cloudShade: colour(0.32, 0.085, 290),
    haze: colour(0.55, 0.095, 325),
    ground: colour(0.155, 0.045, 285),
    accent: colour(0.75, 0.14, 30),
    aurora: colour(0.8, 0.17, 165),
  },
  night: {
    zenith: colour(0.135, 0.05, 272),
    middle: colour(0.22, 0.07, 266),
    horizon: colour(0.37, 0.075, 248),
    light: colour(0.95, 0.025, 245),
    cloudLit: colour(0.44, 0.045, 262),
    cloudShade: colour(0.19, 0.045, 270),
    haze: colour(0.33, 0.065, 252),
    ground: colour(0.085, 0.025, 268),
    accent: colour(0.78, 0.12, 85),
    aurora: colour(0.82, 0.19, 160),
  },
};

const DESERT_GROUND: Readonly<Record<TimeOfDay, Colour>> = {
  sunrise: colour(0.5, 0.085, 45),
  day: colour(0.6, 0.105, 62),
  noon: colour(0.66, 0.105, 66),
  golden: colour(0.56, 0.115, 60),
  sunset: colour(0.38, 0.105, 35),
  dusk: colour(0.28, 0.065, 15),
  night: colour(0.17, 0.04, 275),
};

/** How far each colour follows a colour word, by part of the picture. */
const PULL: Readonly<Record<keyof Palette, { readonly role: PaletteRole; readonly pull: number }>> = {
  zenith: { role: 'sky', pull: 0.78 },
  middle: { role: 'sky', pull: 1 },
  horizon: { role: 'sky', pull: 0.8 },
  light: { role: 'light', pull: 0.45 },
  cloudLit: { role: 'clouds', pull: 0.7 },
  cloudShade: { role: 'clouds', pull: 0.9 },
  haze: { role: 'sky', pull: 0.9 },
  ground: { role: 'ground', pull: 0.75 },
  accent: { role: 'flowers', pull: 0.95 },
  aurora: { role: 'aurora', pull: 0.9 },
};

/**
 * The palette of a reading. `guidance` (1 is normal, 0 ignores colour and mood words, 2 is twice as strong)
 * scales how strongly words pull colours.
 */
export function choosePalette(
  time: TimeOfDay,
  reading: PromptReading,
  guidance: number,
  random: Random,
): Palette {
  const bases = {
    ...PALETTES[time],
    ...(reading.traits.has('desert') ? { ground: DESERT_GROUND[time] } : {}),
  };
  const drift = random.between(-7, 7);
  const entries = Object.entries(bases) as [keyof Palette, Colour][];
  const steered = entries.map(([part, base]) => {
    const wished = followColours(part, shade(base, 0, 1, drift), reading, guidance);
    return [part, mooded(part, avoid(wished, reading), reading, guidance)] as const;
  });
  return Object.fromEntries(steered) as unknown as Palette;
}

function followColours(part: keyof Palette, base: Colour, reading: PromptReading, guidance: number): Colour {
  const { role, pull } = PULL[part];
  const own = reading.colours.find((wish) => wish.role === role);
  const general = reading.colours.filter((wish) => wish.role === 'all');
  // With two colours the second one lights the scene: "teal and orange".
  const second = part === 'horizon' || part === 'light' || part === 'cloudLit' || part === 'accent';
  const wish =
    own ?? (second ? (general[1] ?? general[0]) : (general[part === 'ground' ? 2 : 0] ?? general[0]));
  if (wish) {
    return towards(base, wish.colour, clamp01(pull * guidance), part);
  }
  const stray = reading.colours[0];
  // "red desert" tints its sky a little too.
  return stray ? towards(base, stray.colour, clamp01(0.22 * guidance), part) : base;
}

function towards(base: Colour, wish: Colour, share: number, part: keyof Palette): Colour {
  // Light parts turn a little warmer, dark ones cooler: one hue alone looks flat.
  const turn = part === 'horizon' || part === 'cloudLit' ? 12 : part === 'zenith' ? -10 : 0;
  const grey = wish.c < 0.03;
  const strength = base.l > 0.88 ? 0.6 : base.l < 0.25 ? 0.55 : 1;
  // Dark yellow is mustard: in the shade it turns to amber.
  const yellow = wish.h > 60 && wish.h < 118 ? Math.max(0, 0.74 - base.l) * 75 : 0;
  const target: Colour = {
    l: clamp01(base.l + (wish.l - 0.6) * (grey ? 0.6 : 0.45)),
    c: grey ? wish.c : Math.max(wish.c * strength, base.c * 0.5),
    h: wish.h + (grey ? 0 : turn - yellow),
  };
  return mix(base, target, share);
}

function avoid(base: Colour, reading: PromptReading): Colour {
  const near = reading.unwantedColours.find(
    (unwanted) => unwanted.c >= 0.03 && hueDistance(base.h, unwanted.h) < 50,
  );
  // A grey of the same lightness is certainly not the unwanted hue.
  return near ? { ...base, c: base.c * 0.25, h: near.h + 180 } : base;
}

function hueDistance(a: number, b: number): number {
  const turn = Math.abs((((a - b) % 360) + 360) % 360);
  return Math.min(turn, 360 - turn);
}

function mooded(part: keyof Palette, base: Colour, reading: PromptReading, guidance: number): Colour {
  const { traits, unwantedTraits } = reading;
  if (part === 'light') return traits.has('storm') || traits.has('overcast') ? shade(base, -0.1) : base;
  let { l, c, h } = base;
  if (part === 'cloudLit' && traits.has('storm')) {
    l *= 0.84;
    h = 250;
  }
  if (part === 'horizon' && traits.has('storm')) l += (1 - l) * 0.5;
  if (part === 'cloudShade' && traits.has('storm')) l *= 0.72;
  const strength = Math.min(guidance, 1.6);
  if (traits.has('storm') || traits.has('overcast')) {
    l *= 1 - 0.24 * strength;
    c *= 1 - 0.45 * strength * (traits.has('sunset') ? 0.3 : 1);
  }
  if (traits.has('dark') || unwantedTraits.has('bright'))
    l *= 1 - (traits.has('storm') || base.l < 0.2 ? 0.1 : 0.24) * strength;
  if (traits.has('bright') || unwantedTraits.has('dark')) l += (1 - l) * 0.16 * strength;
  if (traits.has('pastel')) {
    l += (0.86 - l) * 0.5 * strength;
    c = c * (1 - 0.4 * strength) + 0.02;
  }
  if (traits.has('vivid')) c *= 1 + 0.3 * strength;
  if (traits.has('muted') || unwantedTraits.has('vivid')) c *= 1 - 0.45 * strength;
  if (traits.has('rain')) c *= 1 - 0.35 * strength;
  let result: Colour = { l: clamp01(l), c: Math.max(0, c), h };
  if (traits.has('warm')) result = mix(result, { l: result.l, c: result.c + 0.03, h: 60 }, 0.25 * strength);
  if (traits.has('cool')) result = mix(result, { l: result.l, c: result.c + 0.02, h: 240 }, 0.25 * strength);
  ({ h } = result);
  return { ...result, c: result.c * (0.75 + 0.25 * guidance), h };
}
