/** Figures that belong to one curve, put together for a plot. */
import { boundOf, type Figure, type Summary } from '../measure/figures.ts';

export interface Curve {
  /** What is counted along the axis. */
  readonly along: string;
  readonly of: string;
  readonly unit: string;
  /** By place, smallest first; the baseline is the first. */
  readonly points: readonly { readonly at: number; readonly values: Summary }[];
  /** The largest ratio that is still flat; the strictest of its figures. */
  readonly allowed: number;
  /** The same as a value. */
  readonly bound: number;
  /** Of the last point to the baseline. */
  readonly ratio: number;
  /** The worst of its figures. */
  readonly verdict: Figure['verdict'];
}

const WORST_FIRST: readonly Figure['verdict'][] = ['short of target', 'too noisy', 'ok', ''];

export function curvesOf(figures: readonly Figure[]): Curve[] {
  const keys = new Set(figures.flatMap(({ curve }) => (curve ? [`${curve.along}\n${curve.of}`] : [])));
  return [...keys].flatMap((key) => {
    const own = figures.filter(({ curve }) => curve && `${curve.along}\n${curve.of}` === key);
    const curve = curveOf(own.toSorted((a, b) => (a.curve?.at ?? 0) - (b.curve?.at ?? 0)));
    return curve ? [curve] : [];
  });
}

function curveOf(figures: readonly Figure[]): Curve | undefined {
  const [first] = figures;
  const last = figures.at(-1);
  if (!first?.curve || !first.against || !last?.against) return undefined;
  const baseline = first.against.values;
  const { along, of, from } = first.curve;
  const allowed = Math.min(...figures.map(({ target }) => (target ? boundOf(target) : Infinity)));
  return {
    along,
    of,
    unit: first.unit,
    points: [
      { at: from, values: baseline },
      ...figures.map(({ curve, ours }) => ({ at: curve?.at ?? from, values: ours })),
    ],
    allowed,
    bound: baseline.median * allowed,
    ratio: last.against.ratio.median,
    verdict: WORST_FIRST.find((each) => figures.some(({ verdict }) => verdict === each)) ?? '',
  };
}
