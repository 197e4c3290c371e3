import { filmGrain } from './film-grain.ts';
import { mist } from './mist.ts';
import { neon } from './neon.ts';
import { pixelArt } from './pixel-art.ts';
import type { Style } from './style.ts';
import { vintage } from './vintage.ts';
import { watercolour } from './watercolour.ts';

/** Every LoRA the engine offers. */
export const STYLES: readonly Style[] = [watercolour, filmGrain, neon, pixelArt, mist, vintage];
