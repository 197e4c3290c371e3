/** A bar for each figure that is compared, with a mark where its target is. */
import { boundOf, type Figure } from '../measure/figures.ts';
import type { BenchReport } from './report.ts';
import { type Drawn, label, line, type Theme } from './svg.ts';
import { short, targetText } from './table.ts';

const LABEL_WIDTH = 400;
const BAR_WIDTH = 240;
const WORD_WIDTH = 190;
const ROW_HEIGHT = 24;
const BAR_HEIGHT = 12;
/** Ratios beyond it are cut off, and say so by an arrow and their number. */
const MAX_RATIO = 2;
const TICKS = [0, 0.5, 1, 1.5, 2];

type Row = { readonly title: string } | { readonly figure: Figure };

/** What has a ratio and is no point of a curve; a curve says more in its plot. */
export const hasBar = ({ against, curve }: Figure): boolean => against !== undefined && curve === undefined;

/** Undefined when no figure has a bar. */
export function drawRatioBars(benches: readonly BenchReport[], theme: Theme): Drawn | undefined {
  const rows = benches.flatMap(({ title, figures }): Row[] => {
    const bars = figures.filter(hasBar);
    return bars.length === 0 ? [] : [{ title }, ...bars.map((figure) => ({ figure }))];
  });
  if (rows.length === 0) return undefined;
  const bottom = ROW_HEIGHT * (rows.length + 1);
  const axis = TICKS.map(
    (ratio) =>
      line(
        { x: at(ratio), y: ROW_HEIGHT },
        { x: at(ratio), y: bottom },
        ratio === 1 ? theme.faint : theme.grid,
      ) + label(at(ratio), 16, short(ratio), { fill: theme.faint, anchor: 'middle' }),
  );
  const head = label(0, 16, 'Ratio ours : theirs', { fill: theme.text, bold: true });
  const drawn = rows.map((row, index) => drawRow(row, ROW_HEIGHT * (index + 1), theme));
  const width = LABEL_WIDTH + BAR_WIDTH + WORD_WIDTH;
  return { svg: [head, ...axis, ...drawn].join(''), width, height: bottom };
}

function drawRow(row: Row, y: number, theme: Theme): string {
  if ('title' in row) {
    // Over the grid, whose lines would cross the words.
    const ground = `<rect x="0" y="${y + 1}" width="${LABEL_WIDTH + BAR_WIDTH + WORD_WIDTH}" height="${ROW_HEIGHT - 2}" fill="${theme.background}"/>`;
    return ground + label(0, y + 17, row.title, { fill: theme.text, bold: true });
  }
  const { what, against, target, verdict } = row.figure;
  if (against === undefined) return '';
  const { median, min, max } = against.ratio;
  const middle = y + ROW_HEIGHT / 2;
  const colour = theme.verdicts[verdict];
  const isCut = median > MAX_RATIO;
  return [
    label(12, middle + 4, `${what} / ${against.name}`, { fill: theme.text }),
    `<rect x="${LABEL_WIDTH}" y="${middle - BAR_HEIGHT / 2}" width="${at(median) - LABEL_WIDTH}" height="${BAR_HEIGHT}" fill="${colour}"/>`,
    isCut ? `<path d="M${at(MAX_RATIO)} ${middle - 6}l8 6l-8 6z" fill="${colour}"/>` : '',
    min > MAX_RATIO ? '' : line({ x: at(min), y: middle }, { x: at(max), y: middle }, theme.text, 1.5),
    target === undefined
      ? ''
      : `<rect x="${at(boundOf(target)) - 1.5}" y="${y + 2}" width="3" height="${ROW_HEIGHT - 4}" fill="${theme.text}"/>`,
    label(
      LABEL_WIDTH + BAR_WIDTH + 14,
      middle + 4,
      [short(median), target && `(${targetText(target)})`, verdict].filter(Boolean).join(' '),
      { fill: theme.text },
    ),
  ].join('');
}

/** A ratio to nothing is none, and has no bar. */
const at = (ratio: number): number =>
  LABEL_WIDTH + (Math.min(MAX_RATIO, Math.max(0, ratio || 0)) / MAX_RATIO) * BAR_WIDTH;
