import { InvalidArgumentError } from 'commander';
import type { KeptLetter, OperatorQueue } from '../operator-queue.ts';
import type { CliIo } from './cli-io.ts';
import { printable } from './printable.ts';

/** A letter without its bytes: of these there may be many at a time. */
export type LetterName = Pick<
  KeptLetter,
  'sequence' | 'imageHash' | 'handoffId' | 'reason' | 'detail' | 'buriedAt'
>;

/** How a user names letters, for help texts. */
export const ID_HELP =
  'An id is what `list` shows: of the hand-off, or <hash>.<id>, or an image hash for all letters of it.';

/** Ids as arguments, without repetitions. */
export function addId(text: string, before: readonly string[] | undefined): readonly string[] {
  if (text === '') throw new InvalidArgumentError('an id is not empty.');
  return [...new Set([...(before ?? []), text])];
}

export interface Selection {
  /** Oldest first. */
  readonly letters: readonly LetterName[];
  /** Whether every id named letters, and named them clearly. */
  readonly complete: boolean;
}

/** Finds the letters of `ids`; tells the user which of them name none, or more than was meant. */
export async function selectLetters(
  queue: OperatorQueue,
  ids: readonly string[] | 'all',
  { signal, stderr }: CliIo,
): Promise<Selection> {
  const found: LetterName[] = [];
  for await (const { payload: _, chunkIndexes: __, ...name } of queue.letters(signal)) {
    if (ids === 'all' || ids.some((id) => isNamed(name, id))) found.push(name);
  }
  if (ids === 'all') return { letters: found, complete: true };
  const unclear = new Set<LetterName>();
  let complete = true;
  for (const id of ids) {
    const named = found.filter((letter) => isNamed(letter, id));
    const images = new Set(named.map(({ imageHash }) => imageHash));
    if (images.size === 1) continue;
    complete = false;
    const shown = printable(id);
    if (images.size === 0) {
      stderr.write(`${shown}: there is no such dead letter\n`);
      continue;
    }
    // Stand-in ids are counted per stream, and a stream can be made anew.
    for (const letter of named) unclear.add(letter);
    stderr.write(`${shown}: letters of ${images.size} images have this id; name one as <hash>.${shown}\n`);
  }
  return { letters: found.filter((letter) => !unclear.has(letter)), complete };
}

const isNamed = ({ imageHash, handoffId }: LetterName, id: string): boolean =>
  id === handoffId || id === imageHash || id === `${imageHash}.${handoffId}`;

/** The selected letters with their bytes, one by one; without those that have gone since. */
export async function* readSelected(
  queue: OperatorQueue,
  selected: readonly LetterName[],
  signal: AbortSignal,
): AsyncGenerator<KeptLetter> {
  const sequences = new Set(selected.map(({ sequence }) => sequence));
  for await (const letter of queue.letters(signal)) if (sequences.has(letter.sequence)) yield letter;
}
