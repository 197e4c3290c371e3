/** The figures as text, one block for each bench. */
import { boundOf, type Figure, type Summary, type Target } from '../measure/figures.ts';
import type { BenchReport, Report } from './report.ts';

export const machineText = (machine: Report['machine']): string =>
  `${Object.entries(machine)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n')}\n`;

export function benchText({ name, title, leavesOut, figures, skipped }: BenchReport): string {
  const body = skipped === undefined ? columns(figures.map(rowOf)) : `  skipped: ${skipped}`;
  return `\n${name}: ${title}\n${body}\n  leaves out: ${leavesOut}\n`;
}

export const HEADER = ['what', 'ours', 'compared with', 'theirs', 'ratio', 'target', 'verdict'];

export function rowOf({ what, unit, ours, against, target, verdict }: Figure): string[] {
  return [
    what,
    `${spread(ours)} ${unit}`,
    against?.name ?? '',
    against === undefined ? '' : `${spread(against.values)} ${unit}`,
    against === undefined ? '' : spread(against.ratio),
    targetText(target),
    verdict,
  ];
}

/** Median, then the range of all rounds. */
export const spread = ({ median, min, max }: Summary): string =>
  `${short(median)} (${short(min)}–${short(max)})`;

export const targetText = (target: Target | undefined): string => {
  if (target === undefined) return '';
  if ('atLeast' in target) return `≥ ${target.atLeast}`;
  if ('atMost' in target) return `≤ ${target.atMost}`;
  return `≤ ${short(boundOf(target))} (1 + ${target.growth} + ${short(target.spread)} spread)`;
};

/** Three digits are what a busy machine can vouch for. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '–';
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

function columns(rows: readonly (readonly string[])[]): string {
  const all = [HEADER, ...rows];
  const widths = HEADER.map((_, index) => Math.max(...all.map((cells) => cells[index]?.length ?? 0)));
  return all
    .map((cells) => `  ${cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join('  ')}`.trimEnd())
    .join('\n');
}
