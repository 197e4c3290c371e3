/** What every bench is: something to measure, in rounds, and an honest word about what it leaves out. */
import type { Figure } from './measure/figures.ts';

export interface Bench {
  /** Name on the command line. */
  readonly name: string;
  readonly title: string;
  /** What a reader must not conclude from the figures. */
  readonly leavesOut: string;
  /** Returns the figures, or a word about why there are none. */
  run(context: BenchContext): Promise<readonly Figure[] | { readonly skipped: string }>;
}

export interface BenchContext {
  /** Five rounds at least. */
  readonly rounds: number;
  /** Smaller loads: the whole run within three minutes. */
  readonly quick: boolean;
  /** Folder of this bench alone, removed when it is over. */
  readonly directory: string;
  /** Tells the person who waits what is being done. */
  readonly say: (line: string) => void;
}
