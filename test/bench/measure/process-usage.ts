/** What a process has used, by the kernel's account (Linux). */
import { readFile } from 'node:fs/promises';

/** Kernel ticks a second, as user space sees them: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** CPU time of all threads so far, seconds; exact to 10 ms. */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name, in brackets, may hold anything; user and system time are the 12th and 13th field behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** The most memory it has ever held, MB (10⁶ bytes). */
export async function peakMemoryMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kib === undefined) throw new Error(`no peak memory of process ${pid}`);
  return (Number(kib) * 1024) / 1e6;
}

/** CPU seconds of each process while `work` runs. */
export async function cpuDuring<T>(
  pids: readonly number[],
  work: () => Promise<T>,
): Promise<{ readonly value: T; readonly cpu: readonly number[] }> {
  const before = await Promise.all(pids.map(cpuSeconds));
  const value = await work();
  const after = await Promise.all(pids.map(cpuSeconds));
  return { value, cpu: after.map((seconds, index) => seconds - (before[index] ?? 0)) };
}
