/** Bench 5: from the start of a process to its word that it is ready. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Bench } from '../bench.ts';
import { openArchiveSite } from '../measure/archive-site.ts';
import { absolute, compared } from '../measure/figures.ts';
import { cpuSeconds } from '../measure/process-usage.ts';
import { interleaved } from '../measure/rounds.ts';
import { openShelf, REAL_SERVICE } from '../measure/subjects.ts';

interface Start {
  readonly ms: number;
  /** Undefined for a process that is gone already. */
  readonly cpuMs: number | undefined;
}

export const start: Bench = {
  name: 'start',
  title: 'Start to ready, archiving on, NATS there',
  leavesOut:
    'the image pull; a cold disk: the files are in the cache; an engine elsewhere that is not ready yet.',
  async run({ directory, rounds }) {
    await using shelf = openShelf(directory);
    const site = await openArchiveSite('start', directory, shelf);
    let count = 0;
    const startOne = async (open: (name: string, on: typeof shelf) => Promise<{ pid: number }>) => {
      await using own = openShelf(directory);
      const started = performance.now();
      const { pid } = await open(`start-${count++}`, own);
      const ms = performance.now() - started;
      return { ms, cpuMs: (await cpuSeconds(pid)) * 1000 };
    };
    const found = await interleaved<'service' | 'archiver' | 'node', Start>(rounds, {
      service: () => startOne((name, on) => on.service(name, REAL_SERVICE, site.serviceEnvironment)),
      archiver: () => startOne((name, on) => on.archiver(name, site.archiverEnvironment)),
      node: async () => {
        const started = performance.now();
        await promisify(execFile)(process.execPath, ['-e', '0']);
        return { ms: performance.now() - started, cpuMs: undefined };
      },
    });
    const bare = found.node.map(({ ms }) => ms);
    return (['service', 'archiver'] as const).flatMap((name) => {
      const ours = found[name].map(({ ms }) => ms);
      const cpu = found[name].map(({ cpuMs }) => cpuMs ?? Number.NaN);
      return [
        absolute({ what: `${name}: start to ready`, unit: 'ms', ours, target: { atMost: 1_000 } }),
        absolute({ what: `${name}: CPU until ready`, unit: 'ms', ours: cpu }),
        compared({ what: `${name}: start to ready`, unit: 'ms', ours }, 'node -e 0', bare),
      ];
    });
  },
};
