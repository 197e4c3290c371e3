import type { EngineJob } from '../../image-engine.ts';
import { choosePalette, type Palette, type TimeOfDay } from './palette.ts';
import { type PromptReading, readPrompt } from './prompt-reading.ts';
import { createRandom, hashText, type Random } from './random.ts';
import type { Trait } from './vocabulary.ts';

export type Terrain = 'none' | 'hills' | 'mountains' | 'dunes' | 'city';

/** What is in the picture, and where. Shares are 0 to 1; u and v are shares of width and height. */
export interface Scene {
  readonly kind: 'landscape' | 'space' | 'abstract';
  readonly time: TimeOfDay;
  readonly palette: Palette;
  /** v of the horizon; above 1 when there is no ground. */
  readonly horizon: number;
  readonly light: { readonly kind: 'sun' | 'moon' | 'none'; readonly u: number; readonly v: number };
  readonly terrain: Terrain;
  readonly water: 'none' | 'sea' | 'lake';
  readonly clouds: number;
  readonly cloudKind: 'cumulus' | 'wisps' | 'sheet';
  readonly fog: number;
  readonly stars: number;
  readonly galaxy: number;
  readonly aurora: number;
  readonly rain: number;
  readonly snowfall: number;
  readonly snow: number;
  readonly trees: number;
  readonly foliage: 'conifer' | 'broadleaf';
  readonly grass: number;
  readonly flowers: number;
  readonly bokeh: number;
  readonly fireflies: number;
  readonly rays: number;
  readonly glow: number;
  readonly minimal: boolean;
  readonly beach: boolean;
  readonly autumn: boolean;
  readonly blossom: boolean;
  /** A stream for one purpose: the same for the same prompt and seed. */
  random(purpose: string): Random;
}

/** Guidance scale at which words pull with their normal strength. */
export const NORMAL_GUIDANCE = 7;

const PLACES: readonly Trait[] = [
  'sea',
  'lake',
  'forest',
  'mountain',
  'hills',
  'desert',
  'snow',
  'meadow',
  'city',
  'space',
  'abstract',
  'beach',
  'sky',
  'clouds',
  'aurora',
  'stars',
  'blossom',
];

/** The scene a job asks for. Pure; neither the picture's size nor its LoRAs change what is in it. */
export function composeScene(job: EngineJob): Scene {
  const reading = readPrompt(job.prompt, job.negativePrompt);
  const root = hashText(reading.key, job.seed);
  const random = (purpose: string): Random => createRandom(root, purpose);
  const has = (...traits: Trait[]): boolean => traits.some((trait) => reading.traits.has(trait));
  const draw = random('scene');
  const time = chooseTime(has, draw);
  const place = choosePlace(has, random('place'));
  const aspect = job.width / job.height;
  const guidance = job.guidanceScale / NORMAL_GUIDANCE;
  return {
    ...place,
    ...chooseLight(has, reading, time, place.horizon, random('light')),
    ...chooseWeather(has, reading, time, random('weather')),
    ...choosePlants(has, reading, place.terrain),
    time,
    palette: choosePalette(time, reading, guidance, random('palette')),
    horizon: Math.min(1.3, place.horizon + (aspect < 0.7 ? 0.06 : 0)),
    galaxy: has('galaxy') ? 1 : place.kind === 'space' ? 0.8 : 0,
    aurora: has('aurora') ? 1 : 0,
    bokeh: has('bokeh') ? 1 : 0,
    fireflies: has('fireflies') ? 1 : 0,
    rays: has('rays') ? 1 : 0,
    glow: has('dreamy') ? 1 : has('minimal') ? 0.2 : 0.45,
    minimal: has('minimal'),
    beach: has('beach'),
    random,
  };
}

type Asks = (...traits: Trait[]) => boolean;

function chooseTime(has: Asks, random: Random): TimeOfDay {
  const picked = random.next();
  if (has('golden')) return 'golden';
  if (has('sunset')) return 'sunset';
  if (has('sunrise')) return 'sunrise';
  if (has('dusk')) return 'dusk';
  if (has('night')) return 'night';
  if (has('noon')) return 'noon';
  if (has('day', 'sun')) return 'day';
  if (has('moon', 'stars', 'galaxy', 'space', 'aurora', 'fireflies')) return 'night';
  if (has('city')) return picked < 0.6 ? 'dusk' : 'night';
  if (has('storm')) return 'day';
  if (has('dark')) return picked < 0.5 ? 'night' : 'dusk';
  if (has('clear', 'bright', 'rain', 'storm', 'overcast', 'snowfall')) return 'day';
  return (['sunset', 'golden', 'day', 'sunrise', 'dusk', 'day', 'sunrise', 'sunset'] as const)[
    Math.floor(picked * 8)
  ] as TimeOfDay;
}

function choosePlace(has: Asks, random: Random): Pick<Scene, 'kind' | 'terrain' | 'water' | 'horizon'> {
  const roll = random.next();
  const horizon = random.between(0.56, 0.66);
  const ground = has(
    'sea',
    'lake',
    'forest',
    'mountain',
    'hills',
    'desert',
    'meadow',
    'city',
    'beach',
    'snow',
  );
  if (has('space') && !ground) return { kind: 'space', terrain: 'none', water: 'none', horizon: 1.3 };
  if ((has('abstract') || has('bokeh')) && !ground && !has('aurora', 'stars', 'sky', 'clouds')) {
    return { kind: 'abstract', terrain: 'none', water: 'none', horizon: 1.3 };
  }
  const water = has('sea', 'beach') ? 'sea' : has('lake') ? 'lake' : 'none';
  const terrain = has('city')
    ? 'city'
    : has('mountain')
      ? 'mountains'
      : has('desert')
        ? 'dunes'
        : water === 'sea'
          ? 'none'
          : 'hills';
  if (water !== 'none') return { kind: 'landscape', terrain, water, horizon: horizon - 0.05 };
  if (!has(...PLACES)) return placeByChance(roll, horizon);
  if (!ground && has('sky', 'clouds', 'stars')) return { kind: 'landscape', terrain, water, horizon: 0.86 };
  return { kind: 'landscape', terrain, water, horizon };
}

/** Prompts without a known place: what they show comes from their hash. */
function placeByChance(roll: number, horizon: number): Pick<Scene, 'kind' | 'terrain' | 'water' | 'horizon'> {
  if (roll < 0.42) return { kind: 'landscape', terrain: 'hills', water: 'none', horizon };
  if (roll < 0.6) return { kind: 'landscape', terrain: 'mountains', water: 'lake', horizon: horizon - 0.05 };
  if (roll < 0.75) return { kind: 'landscape', terrain: 'mountains', water: 'none', horizon };
  return { kind: 'abstract', terrain: 'none', water: 'none', horizon: 1.3 };
}

function chooseLight(
  has: Asks,
  reading: PromptReading,
  time: TimeOfDay,
  horizon: number,
  random: Random,
): Pick<Scene, 'light'> {
  const u = random.chance(0.5) ? random.between(0.16, 0.4) : random.between(0.6, 0.84);
  const height = random.next();
  const low = time === 'sunset' || time === 'sunrise' || time === 'dusk' || time === 'golden';
  const v = low ? horizon * (0.78 + 0.16 * height) : horizon * (0.2 + 0.26 * height);
  const refused = (trait: Trait): boolean => reading.unwantedTraits.has(trait);
  const hidden =
    (has('storm', 'overcast', 'rain') && !has('sun', 'moon')) ||
    (has('space', 'aurora', 'galaxy') && !has('moon', 'sun'));
  const moon = (time === 'night' || has('moon')) && !(has('sun') && !has('moon'));
  const gone = refused(moon ? 'moon' : 'sun') || hidden || (time === 'dusk' && !has('sun', 'moon'));
  const kind = gone ? 'none' : moon ? 'moon' : 'sun';
  return { light: { kind, u, v: kind === 'moon' ? horizon * (0.2 + 0.3 * height) : v } };
}

type Weather = Pick<Scene, 'clouds' | 'cloudKind' | 'fog' | 'stars' | 'rain' | 'snowfall' | 'snow'>;

function chooseWeather(has: Asks, reading: PromptReading, time: TimeOfDay, random: Random): Weather {
  const refused = (...traits: Trait[]): boolean => traits.some((trait) => reading.unwantedTraits.has(trait));
  const some = has('minimal') ? random.between(0, 0.25) : random.between(0.28, 0.58);
  const wisps = random.chance(0.35);
  const clouds = has('storm', 'overcast')
    ? 0.92
    : has('clouds')
      ? 0.72
      : has('clear', 'stars', 'aurora', 'galaxy')
        ? 0.12
        : has('rain')
          ? 0.85
          : some * (time === 'night' ? 0.6 : 1);
  return {
    clouds: refused('clouds') ? 0 : clouds,
    cloudKind: has('overcast', 'rain', 'storm') ? 'sheet' : has('clouds') || !wisps ? 'cumulus' : 'wisps',
    fog: refused('fog')
      ? 0
      : has('fog')
        ? 1
        : has('dreamy')
          ? 0.55
          : has('clear')
            ? 0.1
            : has('sun', 'day', 'noon')
              ? 0.2
              : 0.35,
    stars: refused('stars')
      ? 0
      : has('stars', 'galaxy')
        ? 1
        : time === 'night' || has('space')
          ? 0.6
          : time === 'dusk'
            ? 0.2
            : 0,
    rain: has('rain') ? 1 : 0,
    snowfall: refused('snowfall') ? 0 : has('snowfall') ? 1 : 0,
    snow: has('snow') && !refused('snow') ? 1 : 0,
  };
}

type Plants = Pick<Scene, 'trees' | 'foliage' | 'grass' | 'flowers' | 'autumn' | 'blossom'>;

function choosePlants(has: Asks, reading: PromptReading, terrain: Terrain): Plants {
  const bare = reading.unwantedTraits.has('forest');
  const flowers = has('flowers') && !reading.unwantedTraits.has('flowers') ? 1 : 0;
  return {
    trees: bare ? 0 : has('forest') ? 1 : has('autumn', 'blossom') ? 0.85 : terrain === 'mountains' ? 0.5 : 0,
    foliage: has('autumn', 'blossom') && !has('snow') ? 'broadleaf' : 'conifer',
    grass: has('meadow') || flowers ? 1 : 0,
    flowers,
    autumn: has('autumn'),
    blossom: has('blossom'),
  };
}
