/** Bench 6: the most memory each process ever holds under the load that its limit is meant for. */
import { join } from 'node:path';
import type { Bench, BenchContext } from '../bench.ts';
import { openArchiveSite } from '../measure/archive-site.ts';
import { absolute } from '../measure/figures.ts';
import { createLoadGenerator } from '../measure/load.ts';
import { peakMemoryMb } from '../measure/process-usage.ts';
import { openShelf, REAL_SERVICE } from '../measure/subjects.ts';
import { eventOf, makePairs } from '../subjects/pairs.ts';

const AT_ONCE = 16;
const SIDE = 1024;
const LARGE_IMAGE_BYTES = 10_000_000;
/** Long enough that all uploads are in hand together, ms. */
const S3_DELAY_MS = 1_000;

export const memory: Bench = {
  name: 'memory',
  title: `Peak memory: ${AT_ONCE} generations of ${SIDE}² at once, ${AT_ONCE} uploads of 10 MB at once`,
  leavesOut:
    'warm processes: each run has fresh ones (three runs, one with --quick); slow readers (test/bench/slow-readers.ts); days of running (test/soak). ' +
    'Peaks are the kernel’s VmHWM.',
  async run(context) {
    const runs = context.quick ? 1 : 3;
    const service: number[] = [];
    const archiver: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      const directory = join(context.directory, String(run));
      service.push(await servicePeak({ ...context, directory }));
      archiver.push(await archiverPeak({ ...context, directory }));
    }
    return [
      absolute({ what: 'service', unit: 'MB', ours: service, target: { atMost: 250 } }),
      absolute({ what: 'archiver', unit: 'MB', ours: archiver, target: { atMost: 320 } }),
    ];
  },
};

async function servicePeak({ directory, quick, say }: BenchContext): Promise<number> {
  say('service');
  await using shelf = openShelf(directory);
  const site = await openArchiveSite('service', directory, shelf);
  const generator = await createLoadGenerator(directory, { width: SIDE, height: SIDE });
  const environment = { ...site.serviceEnvironment, ENGINE_CONCURRENCY: String(AT_ONCE) };
  const { port, pid } = await shelf.service('service', REAL_SERVICE, environment);
  const calls = AT_ONCE * (quick ? 1 : 6);
  await generator.load({ port, calls, connections: 4, streams: AT_ONCE / 4, minAnswerBytes: 10_000 });
  return peakMemoryMb(pid);
}

async function archiverPeak({ directory, quick, say }: BenchContext): Promise<number> {
  say('archiver');
  await using shelf = openShelf(directory);
  const site = await openArchiveSite('archiver', directory, shelf, S3_DELAY_MS);
  const pairs = makePairs(AT_ONCE * (quick ? 1 : 3), LARGE_IMAGE_BYTES, 'large');
  await site.publish(pairs.map((pair) => ({ pair, event: eventOf(pair, true) })));
  const { pid } = await shelf.archiver('archiver', {
    ...site.archiverEnvironment,
    ARCHIVER_CONCURRENCY: String(AT_ONCE),
    // The default, 64 MiB, would let six at once.
    ARCHIVER_MAX_BYTES_IN_FLIGHT: String(AT_ONCE * (LARGE_IMAGE_BYTES + 10_000)),
  });
  await site.queueAtMost(0);
  return peakMemoryMb(pid);
}
