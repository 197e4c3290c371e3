import type { Colour } from './colour.ts';
import { createVocabulary, type PaletteRole, type Trait, type Vocabulary } from './vocabulary.ts';

export interface ColourWish {
  readonly colour: Colour;
  readonly role: PaletteRole;
}

/** A prompt as the engine understands it. */
export interface PromptReading {
  readonly traits: ReadonlySet<Trait>;
  /** In the order of the prompt, at most four. */
  readonly colours: readonly ColourWish[];
  /** Colours the negative prompt, or "no …", shuts out. */
  readonly unwantedColours: readonly Colour[];
  /** Traits shut out the same way; never in `traits`. */
  readonly unwantedTraits: ReadonlySet<Trait>;
  /** The prompt's words in lower case: what composition is drawn from, known words or not. */
  readonly key: string;
}

const NEGATIONS = new Set(['no', 'without', 'not', 'zero']);
const MAX_COLOURS = 4;
/** Words read; a longer prompt steers by its beginning, but its whole text still counts in the key. */
const MAX_WORDS = 400;

/** Pure. Order, case and punctuation steer nothing; unknown words only change the composition. */
export function readPrompt(prompt: string, negativePrompt: string): PromptReading {
  const vocabulary = createVocabulary();
  const words = wordsOf(prompt);
  const wanted = find(words.slice(0, MAX_WORDS), vocabulary);
  const refused = find(wordsOf(negativePrompt).slice(0, MAX_WORDS), vocabulary);
  const unwantedTraits = new Set([...wanted.negatedTraits, ...refused.traits]);
  const unwantedColours = [...wanted.negatedColours, ...refused.colours.map((wish) => wish.colour)];
  return {
    traits: new Set([...wanted.traits].filter((trait) => !unwantedTraits.has(trait))),
    colours: wanted.colours.filter((wish) => !unwantedColours.includes(wish.colour)).slice(0, MAX_COLOURS),
    unwantedColours,
    unwantedTraits,
    key: words.join(' '),
  };
}

interface Findings {
  readonly traits: Set<Trait>;
  readonly negatedTraits: Set<Trait>;
  readonly colours: ColourWish[];
  readonly negatedColours: Colour[];
}

function find(words: readonly string[], vocabulary: Vocabulary): Findings {
  const found: Findings = {
    traits: new Set(),
    negatedTraits: new Set(),
    colours: [],
    negatedColours: [],
  };
  let negated = false;
  for (let i = 0; i < words.length; ) {
    const word = words[i] as string;
    if (NEGATIONS.has(word)) {
      negated = true;
      i += 1;
      continue;
    }
    const pair = `${word} ${words[i + 1] ?? ''}`;
    const length = vocabulary.traits(pair).length > 0 || vocabulary.colour(pair) ? 2 : 1;
    const known = note(length === 2 ? pair : word, words[i + length] ?? '', negated, vocabulary, found);
    negated = negated && !known;
    i += length;
  }
  return found;
}

/** Notes one phrase; `next` is the word after it. Returns whether it meant anything. */
function note(
  phrase: string,
  next: string,
  negated: boolean,
  vocabulary: Vocabulary,
  found: Findings,
): boolean {
  const traits = vocabulary.traits(phrase);
  for (const trait of traits) {
    (negated ? found.negatedTraits : found.traits).add(trait);
  }
  const colour = vocabulary.colour(phrase);
  if (colour && negated) {
    found.negatedColours.push(colour);
  } else if (colour) {
    found.colours.push({ colour, role: vocabulary.role(next) });
  }
  return traits.length > 0 || colour !== undefined;
}

function wordsOf(text: string): string[] {
  return (
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  );
}
