/** A whole run: on what, when, how, and what was found. This is what `--json` prints. */
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import type { Figure } from '../measure/figures.ts';
import { loadTool } from '../measure/load.ts';
import { findNatsServer } from '../../../deploy/dev/nats-server.ts';

export interface BenchReport {
  readonly name: string;
  readonly title: string;
  readonly leavesOut: string;
  readonly figures: readonly Figure[];
  /** Why there are no figures. */
  readonly skipped?: string;
  readonly seconds: number;
}

export interface Report {
  readonly machine: Readonly<Record<string, string>>;
  readonly benches: readonly BenchReport[];
}

/** Measured side by side: the same bytes and the same CPU of the service; 0.6 to 1 of h2load's throughput. */
const LOAD_TOOLS = {
  h2load: 'h2load, pre-encoded frames',
  own: 'our own generator (no h2load here), which holds throughput down on both sides: it is not judged',
};

/** 1, 5 and 15 minutes: how busy the machine is with other things. */
export const loadAverage = (): string =>
  loadavg()
    .map((load) => load.toFixed(1))
    .join(' ');

export async function describeMachine(command: string, rounds: number): Promise<Report['machine']> {
  return {
    machine: `${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown CPU'}, ${Math.round(totalmem() / 1e9)} GB`,
    versions: `Node.js ${process.versions.node}, ${natsVersion(await findNatsServer())}`,
    date: new Date().toISOString(),
    command,
    rounds: `${rounds}, interleaved; median (smallest–largest)`,
    load: LOAD_TOOLS[await loadTool()],
    'load average at the start': loadAverage(),
  };
}

const natsVersion = (binary: string): string =>
  execFileSync(binary, ['--version'], { encoding: 'utf8' }).trim();
