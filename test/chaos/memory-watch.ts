import { readFileSync } from 'node:fs';

/** Peak resident memory by process name, MiB, over all its lives. */
export interface MemoryWatch {
  readonly peaksMib: Readonly<Record<string, number>>;
  stop(): void;
}

/** Asks Linux for each process's own high-water mark twice a second; elsewhere there are no figures. */
export function watchMemory(pids: () => Readonly<Record<string, number | undefined>>): MemoryWatch {
  const peaksMib: Record<string, number> = {};
  const look = (): void => {
    for (const [name, pid] of Object.entries(pids())) {
      const peak = pid === undefined ? 0 : highWaterMib(pid);
      peaksMib[name] = Math.max(peaksMib[name] ?? 0, peak);
    }
  };
  const timer = setInterval(look, 500);
  return { peaksMib, stop: () => (look(), clearInterval(timer)) };
}

function highWaterMib(pid: number): number {
  try {
    const kib = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return Math.round(Number(kib ?? 0) / 1024);
  } catch {
    return 0; // It has just ended.
  }
}
