/** The report as a picture: the ratios as bars, beside them what grows with what. */
import sharp from 'sharp';
import { curvesOf } from './curves.ts';
import { axisOf, drawGrowthPlot } from './growth-plot.ts';
import { drawRatioBars } from './ratio-bars.ts';
import type { Report } from './report.ts';
import { type Drawn, label, type Theme, THEMES } from './svg.ts';

const PADDING = 20;
const GAP = 36;
const FOOT_LINE = 18;
/** For one that says little itself. */
const MIN_WIDTH = 820;
/** Pixels for each unit: sharp on screens with small pixels. */
const SCALE = 2;

/** A PNG on a ground of its own, for pages that are light or dark. */
export function drawPicture(report: Report, theme: keyof typeof THEMES): Promise<Buffer> {
  const svg = Buffer.from(pictureSvg(report, THEMES[theme]));
  return sharp(svg, { density: 72 * SCALE })
    .png({ palette: true })
    .toBuffer();
}

export function pictureSvg({ machine, benches }: Report, theme: Theme): string {
  const bars = drawRatioBars(benches, theme);
  const plots = drawPlots(benches, theme);
  const columns = [...(bars ? [bars] : []), ...(plots ? [plots] : [])];
  const width = Math.max(
    MIN_WIDTH,
    columns.reduce((sum, column) => sum + column.width + GAP, 2 * PADDING - GAP),
  );
  const high = Math.max(0, ...columns.map(({ height }) => height));
  const foot = footText(machine);
  const height = high + 2 * PADDING + GAP / 2 + foot.length * FOOT_LINE;
  let x = PADDING;
  const placed = columns.map((column) => {
    const at = x;
    x += column.width + GAP;
    return `<g transform="translate(${at} ${PADDING})">${column.svg}</g>`;
  });
  const lines = foot.map((text, index) =>
    label(PADDING, high + PADDING + GAP / 2 + (index + 1) * FOOT_LINE, text, { fill: theme.faint }),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="${theme.background}"/>${placed.join('')}${lines.join('')}</svg>`;
}

/** One plot for each axis, below each other, all on the same scale. */
function drawPlots(benches: Report['benches'], theme: Theme): Drawn | undefined {
  const curves = curvesOf(benches.flatMap(({ figures }) => figures));
  if (curves.length === 0) return undefined;
  const axis = axisOf(curves);
  const ways = [...new Set(curves.map(({ along }) => along))];
  const plots = ways.map((way) =>
    drawGrowthPlot(
      curves.filter(({ along }) => along === way),
      axis,
      theme,
    ),
  );
  let y = 0;
  const placed = plots.map((plot) => {
    const at = y;
    y += plot.height + GAP / 2;
    return `<g transform="translate(0 ${at})">${plot.svg}</g>`;
  });
  return { svg: placed.join(''), width: Math.max(...plots.map(({ width }) => width)), height: y };
}

const footText = (machine: Report['machine']): string[] => [
  'Median of the rounds; lines are their range. Upright marks: targets. Dotted: what still counts as flat, 1 + 10 % + the baseline’s spread.',
  `${machine['machine'] ?? ''} · ${machine['versions'] ?? ''} · load from ${machine['load'] ?? ''}`,
  `${machine['date']?.slice(0, 10) ?? ''} · ${machine['command'] ?? ''} · load average ${machine['load average at the start'] ?? ''}, at the end ${machine['load average at the end'] ?? ''}`,
];
