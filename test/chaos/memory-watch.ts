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
      const peak = pid === undefined ? 0 : residentMib(pid, 'VmHWM');
      peaksMib[name] = Math.max(peaksMib[name] ?? 0, peak);
    }
  };
  const timer = setInterval(look, 500);
  return { peaksMib, stop: () => (look(), clearInterval(timer)) };
}

/** Resident memory of a process, now or at its highest, MiB; 0 when it has ended. */
export function residentMib(pid: number, which: 'VmRSS' | 'VmHWM'): number {
  try {
    const line = readFileSync(`/proc/${pid}/status`, 'utf8').match(new RegExp(`${which}:\\s+(\\d+) kB`));
    return Math.round(Number(line?.[1] ?? 0) / 1024);
  } catch {
    return 0;
  }
}
