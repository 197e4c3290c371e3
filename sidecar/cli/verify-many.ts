/** Judges any number of pairs, a few at a time; keeps and prints only what is not good. */
import { once } from 'node:events';
import type { ObjectReader } from '../s3/object-reader.ts';
import type { CliIo } from './cli-io.ts';
import type { Depth } from './object-check.ts';
import { type CheckedPair, type Verdict, verifyPair, worst } from './verify-pair.ts';
import type { VerifyProgress } from './verify-progress.ts';
import { formatPair, pairFacts } from './verify-report.ts';

export interface ManyOptions {
  readonly bucket: string;
  readonly prefix: string;
  readonly depth: Depth;
  /** Pairs looked at beside each other. */
  readonly concurrency: number;
  readonly json: boolean;
}

export interface Tally {
  readonly counts: Readonly<Record<Verdict, number>>;
  /** So many could not be checked one after the other that the rest was left. */
  readonly gaveUp: boolean;
}

/** One after the other that cannot be checked: the next million will not be either. */
const MAX_UNCHECKED_IN_A_ROW = 20;

/** @throws what `hashes` throws. */
export async function verifyMany(
  reader: ObjectReader,
  hashes: AsyncGenerator<string>,
  options: ManyOptions,
  progress: VerifyProgress,
  { stdout, signal }: Pick<CliIo, 'stdout' | 'signal'>,
): Promise<Tally> {
  const counts: Record<Verdict, number> = { good: 0, bad: 0, unchecked: 0 };
  let inARow = 0;
  const gaveUp = (): boolean => inARow >= MAX_UNCHECKED_IN_A_ROW;
  const work = async (): Promise<void> => {
    for await (const hash of sharing(hashes)) {
      const pair = await verifyPair(reader, options.prefix, hash, signal, options.depth);
      counts[pair.verdict] += 1;
      inARow = pair.verdict === 'unchecked' ? inARow + 1 : 0;
      if (pair.verdict !== 'good') await print(pair, options, progress, stdout);
      progress.update(hash, counts);
      if (gaveUp()) return;
    }
  };
  try {
    await Promise.all(Array.from({ length: options.concurrency }, work));
  } finally {
    await hashes.return(undefined);
  }
  return { counts, gaveUp: gaveUp() };
}

/** The rest of `hashes` for one of many readers: leaving the loop early ends it for this reader alone. */
const sharing = (hashes: AsyncGenerator<string>): AsyncIterable<string> => ({
  [Symbol.asyncIterator]: () => ({ next: () => hashes.next() }),
});

async function print(
  pair: CheckedPair,
  { bucket, json }: ManyOptions,
  progress: VerifyProgress,
  stdout: CliIo['stdout'],
): Promise<void> {
  progress.clear();
  const lines = json ? [JSON.stringify(pairFacts(pair))] : formatPair(pair, bucket);
  if (!stdout.write(`${lines.join('\n')}\n`)) await once(stdout, 'drain');
}

export const tallyVerdict = ({ counts }: Tally): Verdict =>
  worst((['bad', 'unchecked'] as const).filter((verdict) => counts[verdict] > 0));

/** One line. */
export function formatTally({ counts: { good, bad, unchecked }, gaveUp }: Tally): string {
  const left = gaveUp ? `; ${MAX_UNCHECKED_IN_A_ROW} in a row could not be checked, the rest was left` : '';
  const pairs = good + bad + unchecked;
  return `${pairs} ${pairs === 1 ? 'pair' : 'pairs'}: ${good} good, ${bad} bad, ${unchecked} not checked${left}\n`;
}
