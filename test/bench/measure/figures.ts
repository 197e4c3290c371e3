/** What a bench finds: medians, spreads, the ratio of paired rounds, and whether the target is met. */

/** Values of all rounds in short. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** A bound from the issue, on the ratio when there is something to compare with, else on the value itself. */
export type Target =
  | { readonly atLeast: number }
  | { readonly atMost: number }
  /** Flat: the ratio is at most 1 + `growth` + `spread`. */
  | { readonly growth: number; readonly spread: number };

/** Where on a curve a figure stands; the figures of one `of` and `along` are one curve. */
export interface CurvePoint {
  /** What is counted along the axis. */
  readonly along: string;
  readonly of: string;
  readonly at: number;
  /** The place of the values that it is compared with. */
  readonly from: number;
}

export interface Figure {
  readonly what: string;
  readonly unit: string;
  readonly ours: Summary;
  /** What it is compared with, in the same rounds. */
  readonly against?: { readonly name: string; readonly values: Summary; readonly ratio: Summary };
  readonly target?: Target;
  readonly verdict: 'ok' | 'short of target' | 'too noisy' | '';
  readonly curve?: CurvePoint;
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

/** Growth that the issue allows, of the ratio. */
const ALLOWED_GROWTH = 0.1;
/** A baseline whose rounds differ by more proves nothing, ratio. */
const MAX_SPREAD = 0.3;

/**
 * Whether a cost is flat: the median of the rounds' ratios is at most 1 + 10 % + spread. The spread is the baseline's,
 * measured in the same rounds: half of what separates its largest from its smallest round, as a share of its median,
 * that is the ± that the same measurement differs from itself by. Beyond 30 % there is no verdict.
 */
export function flat(
  measured: Omit<Measured, 'target'>,
  curve: CurvePoint,
  theirs: readonly number[],
): Figure {
  const spread = relativeSpread(summarise(theirs));
  const target = { growth: ALLOWED_GROWTH, spread };
  const figure = compared({ ...measured, target }, `at ${curve.from}`, theirs);
  return { ...figure, curve, ...(spread <= MAX_SPREAD ? {} : { verdict: 'too noisy' }) };
}

const relativeSpread = ({ median, min, max }: Summary): number =>
  median > 0 ? (max - min) / 2 / median : Number.POSITIVE_INFINITY;

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
  const isMet = 'atLeast' in target ? value >= target.atLeast : value <= upperBound(target);
  return isMet ? 'ok' : 'short of target';
}

const upperBound = (target: Exclude<Target, { atLeast: number }>): number =>
  'atMost' in target ? target.atMost : 1 + target.growth + target.spread;

/** The value that decides. */
export const boundOf = (target: Target): number =>
  'atLeast' in target ? target.atLeast : upperBound(target);
