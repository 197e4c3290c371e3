/** What a bench finds: medians, spreads, the ratio of paired rounds, and whether the target is met. */

/** Values of all rounds in short. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** A bound from the issue, on the ratio when there is something to compare with, else on the value itself. */
export type Target = { readonly atLeast: number } | { readonly atMost: number };

export interface Figure {
  readonly what: string;
  readonly unit: string;
  readonly ours: Summary;
  /** What it is compared with, in the same rounds. */
  readonly against?: { readonly name: string; readonly values: Summary; readonly ratio: Summary };
  readonly target?: Target;
  readonly verdict: 'ok' | 'short of target' | '';
}

interface Measured {
  readonly what: string;
  readonly unit: string;
  /** One value for each round. */
  readonly ours: readonly number[];
  readonly target?: Target;
}

/** A value that stands for itself. */
export function absolute({ what, unit, ours, target }: Measured): Figure {
  const summary = summarise(ours);
  return {
    what,
    unit,
    ours: summary,
    ...(target ? { target } : {}),
    verdict: verdictOf(summary.median, target),
  };
}

/** Two values of each round. The median of the rounds' ratios counts, so that a slow round slows both sides. */
export function compared(measured: Measured, name: string, theirs: readonly number[]): Figure {
  const { what, unit, ours, target } = measured;
  const ratio = summarise(ours.map((value, round) => value / (theirs[round] ?? Number.NaN)));
  return {
    what,
    unit,
    ours: summarise(ours),
    against: { name, values: summarise(theirs), ratio },
    ...(target ? { target } : {}),
    verdict: verdictOf(ratio.median, target),
  };
}

export function summarise(values: readonly number[]): Summary {
  return { median: quantile(values, 0.5), min: Math.min(...values), max: Math.max(...values) };
}

/** Linear between the two nearest values; `share` from 0 to 1. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

function verdictOf(value: number, target: Target | undefined): Figure['verdict'] {
  if (target === undefined) return '';
  const isMet = 'atLeast' in target ? value >= target.atLeast : value <= target.atMost;
  return isMet ? 'ok' : 'short of target';
}
