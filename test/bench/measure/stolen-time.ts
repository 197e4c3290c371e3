import { readFileSync } from 'node:fs';

/** CPU time of the machine since it started, in kernel ticks, and what of it its host gave to others. */
interface CpuTicks {
  readonly all: number;
  readonly stolen: number;
}

/**
 * Starts counting; the function it returns tells which part of this machine's CPU its host has given to others since
 * then, in per cent. Undefined where the kernel does not say (Linux does).
 */
export function countStolenTime(statFile = '/proc/stat'): () => string | undefined {
  const before = readTicks(statFile);
  return () => {
    const after = readTicks(statFile);
    if (before === undefined || after === undefined || after.all === before.all) return undefined;
    return `${((100 * (after.stolen - before.stolen)) / (after.all - before.all)).toFixed(1)} %`;
  };
}

/** From "cpu  user nice system idle iowait irq softirq steal guest guest_nice"; guests are in user and nice already. */
function readTicks(statFile: string): CpuTicks | undefined {
  try {
    const line = /^cpu +(.+)$/m.exec(readFileSync(statFile, 'utf8'))?.[1] ?? '';
    const ticks = line.split(' ').slice(0, 8).map(Number);
    return { all: ticks.reduce((sum, each) => sum + each, 0), stolen: ticks[7] ?? 0 };
  } catch {
    return undefined;
  }
}
