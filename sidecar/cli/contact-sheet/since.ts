import { InvalidArgumentError } from 'commander';

export interface Since {
  readonly ms: number;
  /** As the user wrote it. */
  readonly text: string;
}

const UNITS_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3600_000, d: 86_400_000, w: 604_800_000 };

/** Reads an age such as `24h`. */
export function readSince(text: string): Since {
  const [, number = '', unit = ''] = /^(\d{1,6})([mhdw])$/.exec(text) ?? [];
  const ms = Number(number) * (UNITS_MS[unit] ?? 0);
  if (ms > 0) return { ms, text };
  throw new InvalidArgumentError('expected an age such as 90m, 24h, 7d or 4w.');
}
