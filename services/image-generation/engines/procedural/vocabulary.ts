import { type Colour, colour } from './colour.ts';

/** What a prompt can ask for besides colours. */
export type Trait =
  | 'sunrise'
  | 'day'
  | 'noon'
  | 'golden'
  | 'sunset'
  | 'dusk'
  | 'night'
  | 'sea'
  | 'lake'
  | 'forest'
  | 'mountain'
  | 'hills'
  | 'desert'
  | 'snow'
  | 'meadow'
  | 'city'
  | 'space'
  | 'aurora'
  | 'abstract'
  | 'beach'
  | 'storm'
  | 'fog'
  | 'rain'
  | 'snowfall'
  | 'clear'
  | 'clouds'
  | 'overcast'
  | 'dark'
  | 'bright'
  | 'dreamy'
  | 'minimal'
  | 'vivid'
  | 'muted'
  | 'pastel'
  | 'warm'
  | 'cool'
  | 'sun'
  | 'moon'
  | 'stars'
  | 'galaxy'
  | 'flowers'
  | 'autumn'
  | 'blossom'
  | 'fireflies'
  | 'bokeh'
  | 'rays'
  | 'sky';

/** Words for each trait; two-word phrases are joined by a blank. Plurals in -s are found by themselves. */
const TRAIT_WORDS: Readonly<Record<Trait, string>> = {
  sunrise: 'sunrise,dawn,daybreak,early morning,morning',
  day: 'day,daytime,daylight,afternoon,blue sky',
  noon: 'noon,midday,high noon',
  golden: 'golden hour,golden light,late afternoon',
  sunset: 'sunset,sundown,evening,evening glow',
  dusk: 'dusk,twilight,blue hour,nightfall,gloaming',
  night: 'night,midnight,nighttime,nocturnal,moonlit,starlit',
  sea: 'ocean,sea,seascape,coast,coastal,wave,pacific,atlantic,horizon,marine,water,island,shore,bay',
  lake: 'lake,pond,reflection,river,fjord,lagoon,still water,mirror',
  forest: 'forest,wood,woods,woodland,tree,pine,jungle,grove,fir,conifer,taiga,spruce,cedar',
  mountain: 'mountain,peak,alp,alpine,summit,fuji,himalaya,cliff,ridge,rocky,volcano,andes,everest,fjord',
  hills: 'hill,hillside,valley,rolling,countryside,landscape,highland,moor,tuscany,tuscan',
  desert: 'desert,dune,sand,sahara,arid,savanna,savannah,canyon,mesa,namib',
  snow: 'snow,snowy,winter,wintry,ice,icy,frozen,arctic,glacier,frost,frosty,snowfall,blizzard',
  meadow: 'meadow,field,grass,grassland,prairie,pasture,garden,wildflower,wheat,spring',
  city: 'city,cityscape,skyline,urban,downtown,skyscraper,town,street,tokyo,metropolis,york,cyberpunk,building',
  space:
    'space,galaxy,nebula,cosmos,cosmic,universe,interstellar,outer space,planet,celestial,astral,deep space',
  aurora: 'aurora,borealis,northern light,polar light,aurora borealis,southern light',
  abstract:
    'abstract,gradient,pattern,texture,fluid,liquid,flow,swirl,geometric,silk,marble,wallpaper,background,backdrop,smoke',
  beach: 'beach,seashore,seaside,tropical,sandy beach',
  storm: 'storm,stormy,thunderstorm,thunder,tempest,hurricane,lightning,ominous,dramatic',
  fog: 'fog,foggy,mist,misty,haze,hazy,smoky,mysterious,ethereal',
  rain: 'rain,rainy,drizzle,downpour,shower,raining',
  snowfall: 'snowfall,snowflake,blizzard,snowing,falling snow,snowstorm',
  clear: 'clear,cloudless,clear sky,blue sky',
  clouds: 'cloud,cloudy,cumulus,cloudscape,fluffy,billowing,heaven,heavenly',
  overcast: 'overcast,gloomy,grey sky,gray sky,gloom,dreary',
  dark: 'dark,darkness,moody,shadowy,noir,sombre,somber,gothic,black',
  bright: 'bright,sunny,light,airy,luminous,radiant,cheerful,white',
  dreamy:
    'dreamy,dream,soft,fantasy,magical,fairytale,whimsical,surreal,serene,ethereal,glowing,glow,peaceful',
  minimal: 'minimal,minimalist,simple,minimalistic,clean,empty,plain,zen',
  vivid: 'vivid,vibrant,saturated,colourful,colorful,psychedelic,neon,rainbow,epic',
  muted: 'muted,desaturated,faded,subdued,washed',
  pastel: 'pastel,candy,cotton candy,kawaii',
  warm: 'warm,cosy,cozy,summer,hot,fire,fiery,flame,lava',
  cool: 'cool,cold,chilly,frozen,icy',
  sun: 'sun,sunny,sunshine,sunlight,sunlit,sunbeam',
  moon: 'moon,full moon,moonlight,moonlit,lunar',
  stars: 'star,starry,starlight,starlit,constellation,milky way',
  galaxy: 'galaxy,milky way,nebula,universe',
  flowers: 'flower,wildflower,poppy,tulip,daisy,floral,bloom,lavender,rose,poppies,daisies',
  autumn: 'autumn,fall,maple,autumnal,october,november',
  blossom: 'blossom,sakura,cherry blossom,cherry,japan,japanese',
  fireflies: 'firefly,fireflies,lantern,magical,ember,fairy',
  bokeh: 'bokeh,blurred light,city light,light,defocused,blurry light,fairy light',
  rays: 'ray,sunbeam,god ray,light ray,sunray,beam,heavenly',
  sky: 'sky,skies,skyscape,air',
};

/** OKLCH values picked by eye so that each reads as its name in a sky and on the ground. */
const COLOUR_WORDS: readonly (readonly [names: string, value: Colour])[] = [
  ['red,scarlet,ruby', colour(0.56, 0.21, 26)],
  ['crimson,maroon,burgundy,blood', colour(0.42, 0.16, 20)],
  ['coral,salmon,peach,peachy,apricot', colour(0.78, 0.12, 42)],
  ['orange,tangerine,amber,copper,rust', colour(0.72, 0.17, 58)],
  ['gold,golden,honey', colour(0.82, 0.14, 85)],
  ['yellow,lemon,sunny yellow', colour(0.9, 0.16, 100)],
  ['lime,chartreuse', colour(0.85, 0.19, 125)],
  ['green,verdant,lush', colour(0.62, 0.15, 145)],
  ['emerald,jade', colour(0.6, 0.13, 160)],
  ['mint,seafoam', colour(0.87, 0.08, 165)],
  ['olive,moss,mossy,sage', colour(0.58, 0.09, 118)],
  ['teal,petrol', colour(0.56, 0.1, 195)],
  ['turquoise,aqua,cyan,aquamarine', colour(0.76, 0.12, 200)],
  ['azure,cerulean', colour(0.7, 0.13, 235)],
  ['blue,cobalt,sapphire', colour(0.52, 0.16, 258)],
  ['navy,midnight blue', colour(0.3, 0.1, 262)],
  ['indigo', colour(0.4, 0.17, 277)],
  ['violet,purple,amethyst', colour(0.5, 0.19, 302)],
  ['lavender,lilac,periwinkle', colour(0.76, 0.09, 300)],
  ['plum,mauve,aubergine', colour(0.48, 0.11, 325)],
  ['magenta,fuchsia', colour(0.6, 0.24, 330)],
  ['pink,rose,blush,rosy', colour(0.76, 0.13, 356)],
  ['brown,sepia,chocolate,earthy,bronze', colour(0.46, 0.08, 58)],
  ['beige,cream,tan,ivory,sandy', colour(0.86, 0.05, 82)],
  ['white', colour(0.95, 0.01, 90)],
  ['grey,gray,silver,monochrome,ashen', colour(0.68, 0.008, 260)],
  ['black,charcoal,obsidian,ebony', colour(0.2, 0.01, 270)],
];

/** Part of the picture a colour word can be tied to by the noun after it ("red sun", "purple clouds"). */
export type PaletteRole = 'all' | 'sky' | 'light' | 'clouds' | 'ground' | 'aurora' | 'flowers';

const ROLE_OF_TRAIT: Partial<Record<Trait, PaletteRole>> = {
  sun: 'light',
  moon: 'light',
  clouds: 'clouds',
  sky: 'sky',
  forest: 'ground',
  hills: 'ground',
  meadow: 'ground',
  mountain: 'ground',
  desert: 'ground',
  aurora: 'aurora',
  flowers: 'flowers',
};

export interface Vocabulary {
  traits(phrase: string): readonly Trait[];
  colour(phrase: string): Colour | undefined;
  role(phrase: string): PaletteRole;
}

/** The word lists as look-ups. Phrases are one or two lower-case words. */
export function createVocabulary(): Vocabulary {
  const traitsOf = new Map<string, Trait[]>();
  for (const [trait, words] of Object.entries(TRAIT_WORDS) as [Trait, string][]) {
    for (const word of words.split(',')) {
      traitsOf.set(word, [...(traitsOf.get(word) ?? []), trait]);
    }
  }
  const colourOf = new Map(
    COLOUR_WORDS.flatMap(([names, value]) => names.split(',').map((name) => [name, value] as const)),
  );
  const traits = (phrase: string): readonly Trait[] =>
    traitsOf.get(phrase) ?? (phrase.endsWith('s') ? traitsOf.get(phrase.slice(0, -1)) : undefined) ?? [];
  return {
    traits,
    colour: (phrase) => colourOf.get(phrase),
    role: (phrase) => traits(phrase).flatMap((trait) => ROLE_OF_TRAIT[trait] ?? [])[0] ?? 'all',
  };
}
