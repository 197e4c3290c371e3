/** A plot of what a call and a pair cost along one axis. Costs begin at 0; every axis of the picture has the same top. */
import type { Curve } from './curves.ts';
import { type Drawn, label, line, mark, type Point, type Theme } from './svg.ts';
import { short } from './table.ts';

const LEFT = 48;
const PLOT_WIDTH = 300;
const LABEL_WIDTH = 222;
const TOP = 34;
const PLOT_HEIGHT = 220;
const BOTTOM = 48;
/** Room beside the first and the last point. */
const MARGIN = 28;
/** Between the marks of two curves at the same place, so that whiskers do not hide each other. */
const DODGE = 9;
const WHISKER = 4;
const LABEL_HEIGHT = 32;

export function drawGrowthPlot(curves: readonly Curve[], axis: Axis, theme: Theme): Drawn {
  const places = [...new Set(curves.flatMap(({ points }) => points.map(({ at }) => at)))].toSorted(
    (a, b) => a - b,
  );
  const [low = 1] = places;
  const high = places.at(-1) ?? low;
  const share = (at: number): number => (high > low ? Math.log(at / low) / Math.log(high / low) : 0.5);
  const x = (at: number): number => LEFT + MARGIN + share(at) * (PLOT_WIDTH - 2 * MARGIN);
  const y = (value: number): number => TOP + PLOT_HEIGHT * (1 - value / axis.top);
  const [{ along, unit } = { along: '', unit: '' }] = curves;
  const parts = [
    label(0, 16, `CPU per call and per pair, ${unit}, by ${along}`, { fill: theme.text, bold: true }),
    ...ticks(axis).map((value) => gridLine(value, y(value), theme)),
    ...places.map((at) =>
      label(x(at), TOP + PLOT_HEIGHT + 18, at.toLocaleString('en'), { fill: theme.text, anchor: 'middle' }),
    ),
    label(LEFT + PLOT_WIDTH / 2, TOP + PLOT_HEIGHT + 36, `${along} (logarithmic)`, {
      fill: theme.faint,
      anchor: 'middle',
    }),
    ...curves.map((curve, index) => drawCurve(curve, index, (index - (curves.length - 1) / 2) * DODGE)),
    ...endLabels(curves, y, theme),
  ];
  return { svg: parts.join(''), width: LEFT + PLOT_WIDTH + LABEL_WIDTH, height: TOP + PLOT_HEIGHT + BOTTOM };

  function drawCurve({ points, bound }: Curve, index: number, dodge: number): string {
    const colour = theme.curves[index % theme.curves.length] ?? theme.text;
    const at = points.map((point) => ({ x: x(point.at) + dodge, y: y(point.values.median) }));
    const whiskers = points.map(({ at: place, values: { min, max } }) =>
      drawWhisker(x(place) + dodge, y(min), y(max), colour),
    );
    const path = at.map((point) => `${point.x},${point.y}`).join(' ');
    const limit = { x: LEFT, y: y(bound) };
    return [
      Number.isFinite(bound) ? line(limit, { ...limit, x: LEFT + PLOT_WIDTH }, colour, 1, '2 4') : '',
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...whiskers,
      ...at.map((point) => mark(point, index, colour)),
    ].join('');
  }
}

/** An axis from 0 to `top`, with a line at each `step`. */
export interface Axis {
  readonly top: number;
  readonly step: number;
}

const MOST_STEPS = 6;

/** Room for all values of all rounds, and for what still counts as flat, so that its line is seen. */
export function axisOf(curves: readonly Curve[]): Axis {
  const values = curves.flatMap(({ points, bound }) => [bound, ...points.map((point) => point.values.max)]);
  const largest = Math.max(...values.filter((value) => Number.isFinite(value) && value > 0));
  if (!Number.isFinite(largest)) return { top: 1, step: 1 };
  const power = 10 ** Math.floor(Math.log10(largest / MOST_STEPS));
  const step = power * ([1, 2, 2.5, 5].find((each) => each * power * MOST_STEPS >= largest) ?? 10);
  return { top: step * Math.ceil(largest / step), step };
}

const ticks = ({ top, step }: Axis): number[] =>
  Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step);

const gridLine = (value: number, y: number, { grid, faint }: Theme): string =>
  line({ x: LEFT, y }, { x: LEFT + PLOT_WIDTH, y }, grid) +
  label(LEFT - 8, y + 4, short(value), { fill: faint, anchor: 'end' });

const drawWhisker = (x: number, low: number, high: number, colour: string): string =>
  line({ x, y: low }, { x, y: high }, colour, 1.5) +
  [low, high].map((y) => line({ x: x - WHISKER, y }, { x: x + WHISKER, y }, colour, 1.5)).join('');

/** Names at the curves' ends, moved apart where they would overlap. */
function endLabels(curves: readonly Curve[], y: (value: number) => number, theme: Theme): string[] {
  const wanted = curves
    .map((curve, index) => ({ curve, index, y: y(curve.points.at(-1)?.values.median ?? 0) }))
    .toSorted((a, b) => a.y - b.y);
  const lowest = TOP + PLOT_HEIGHT - LABEL_HEIGHT / 2;
  let free = TOP;
  return wanted.map(({ curve, index, y: place }, order) => {
    const room = lowest - (wanted.length - 1 - order) * LABEL_HEIGHT;
    const top = Math.max(free, Math.min(place, room));
    free = top + LABEL_HEIGHT;
    const at: Point = { x: LEFT + PLOT_WIDTH + 14, y: top };
    const fill = theme.curves[index % theme.curves.length] ?? theme.text;
    return (
      mark(at, index, fill) +
      label(at.x + 12, top + 4, curve.of, { fill: theme.text }) +
      label(
        at.x + 12,
        top + 19,
        `× ${short(curve.ratio)} (≤ ${short(curve.allowed)}): ${verdictWord(curve)}`,
        {
          fill: theme.faint,
        },
      )
    );
  });
}

const verdictWord = ({ verdict }: Curve): string =>
  verdict === 'ok' ? 'flat' : verdict === 'short of target' ? 'grows' : verdict;
