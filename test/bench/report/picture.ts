/** The ratios as a picture: a bar for each figure that is compared, a mark where its target is. */
import sharp from 'sharp';
import type { Figure } from '../measure/figures.ts';
import type { Report } from './report.ts';
import { short, targetText } from './table.ts';

const WIDTH = 1000;
const LABEL_WIDTH = 430;
const BAR_WIDTH = 380;
const ROW_HEIGHT = 24;
/** Ratios beyond it are cut off, and say so by their number. */
const MAX_RATIO = 2;
const COLOURS = { ok: '#2e7d4f', 'short of target': '#c0562f', '': '#5b7ba8' };

/** A PNG. */
export function drawPicture(report: Report): Promise<Buffer> {
  return sharp(Buffer.from(pictureSvg(report)))
    .png()
    .toBuffer();
}

/** One row of the picture: what, and either a title or a figure. */
type Row = { readonly title: string } | { readonly figure: Figure };

function pictureSvg({ machine, benches }: Report): string {
  const rows = benches.flatMap(({ title, figures }): Row[] => {
    const withRatio = figures.filter(({ against }) => against !== undefined);
    return withRatio.length === 0 ? [] : [{ title }, ...withRatio.map((figure) => ({ figure }))];
  });
  const height = ROW_HEIGHT * (rows.length + 3);
  const facts = `${machine['machine'] ?? ''} · ${machine['versions'] ?? ''} · ${machine['date']?.slice(0, 10) ?? ''}`;
  const drawn = rows.map((row, index) => drawRow(row, ROW_HEIGHT * (index + 1)));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="white"/>${drawn.join('')}
<text x="12" y="${height - 30}" fill="#444">Ratio ours : theirs, median and range of the rounds; the black mark is the target. Load average ${escape(machine['load average at the start'] ?? '')}.</text>
<text x="12" y="${height - 12}" fill="#444">${escape(facts)}</text></svg>`;
}

function drawRow(row: Row, y: number): string {
  if ('title' in row) {
    return `<text x="12" y="${y + 16}" font-weight="bold">${escape(row.title)}</text>`;
  }
  const { what, against, target, verdict } = row.figure;
  if (against === undefined) return '';
  const { median, min, max } = against.ratio;
  const middle = y + ROW_HEIGHT / 2;
  const bound = target && ('atLeast' in target ? target.atLeast : target.atMost);
  const mark =
    bound === undefined ? '' : `<rect x="${at(bound) - 1}" y="${y + 2}" width="3" height="20" fill="black"/>`;
  const label = `${what} / ${against.name}`;
  return `<text x="24" y="${middle + 4}">${escape(label)}</text>
<rect x="${LABEL_WIDTH}" y="${y + 5}" width="${at(median) - LABEL_WIDTH}" height="14" fill="${COLOURS[verdict]}"/>
<line x1="${at(min)}" y1="${middle}" x2="${at(max)}" y2="${middle}" stroke="#222"/>${mark}
<text x="${LABEL_WIDTH + BAR_WIDTH + 12}" y="${middle + 4}">${short(median)} ${escape(targetText(target))} ${verdict}</text>`;
}

const at = (ratio: number): number =>
  LABEL_WIDTH + (Math.min(MAX_RATIO, Math.max(0, ratio)) / MAX_RATIO) * BAR_WIDTH;

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
