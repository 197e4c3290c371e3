/** Bench 4: whether a call or a pair costs more when much is archived already, or when many call. */
import type { ManagedProcess } from '../../../deploy/dev/managed-process.ts';
import type { Bench, BenchContext } from '../bench.ts';
import { type ArchiveSite, madeUpHashes, openArchiveSite } from '../measure/archive-site.ts';
import { type Figure, flat } from '../measure/figures.ts';
import { createLoadGenerator, type LoadGenerator } from '../measure/load.ts';
import { cpuDuring } from '../measure/process-usage.ts';
import { interleaved } from '../measure/rounds.ts';
import {
  FIXED_IMAGE_SERVICE,
  FIXED_REQUEST,
  openShelf,
  type Subject,
  type SubjectShelf,
} from '../measure/subjects.ts';

const IMAGE_BYTES = 100_000;
const CALLERS = [1, 8, 64];

export const growth: Bench = {
  name: 'growth',
  title: 'CPU per call and per pair: images archived before, callers at once (ready images of 100 KB)',
  leavesOut:
    'the bucket, which is S3’s; wall time, which the machine’s other work decides. What is archived before stands in ' +
    'the index, as after uploads, but was not uploaded. Flat: the median ratio is at most 1 + 10 % + the baseline’s own ' +
    'spread, half of what its rounds differ by; “too noisy” above ± 30 %.',
  async run(context) {
    return [...(await byArchived(context)), ...(await byCallers(context))];
  },
};

interface Site {
  readonly site: ArchiveSite;
  readonly service: Subject;
  readonly archiver: ManagedProcess;
}

async function openSite(name: string, directory: string, shelf: SubjectShelf): Promise<Site> {
  const site = await openArchiveSite(name, directory, shelf);
  const environment = {
    ...site.serviceEnvironment,
    BENCH_IMAGE_BYTES: String(IMAGE_BYTES),
    BENCH_DISTINCT: 'true',
    ENGINE_CONCURRENCY: '64',
  };
  const service = await shelf.service(`${name}-service`, FIXED_IMAGE_SERVICE, environment);
  return { site, service, archiver: await shelf.archiver(`${name}-archiver`, site.archiverEnvironment) };
}

interface Cost {
  readonly perCallMs: number;
  readonly perPairMs: number;
  readonly natsMs: number;
}

/** CPU of service, archiver and NATS for each of `calls` calls, until the last pair is archived. */
async function costOf(
  { site, service, archiver }: Site,
  calls: number,
  callers: number,
  generator: LoadGenerator,
): Promise<Cost> {
  const connections = Math.min(callers, 4);
  const streams = callers / connections;
  const load = { port: service.port, calls, connections, streams, minAnswerBytes: IMAGE_BYTES };
  const { cpu } = await cpuDuring([service.pid, archiver.pid, site.nats.pid], async () => {
    await generator.load(load);
    await site.queueAtMost(0);
  });
  const [perCallMs = 0, perPairMs = 0, natsMs = 0] = cpu.map((seconds) => (seconds * 1000) / calls);
  return { perCallMs, perPairMs, natsMs };
}

async function byArchived({ directory, rounds, quick, say }: BenchContext): Promise<Figure[]> {
  const levels = quick ? [10, 1_000, 5_000] : [10, 1_000, 100_000];
  const calls = quick ? 32 : 400;
  await using shelf = openShelf(directory);
  const generator = await createLoadGenerator(directory, FIXED_REQUEST);
  const sites: Record<string, Site> = {};
  for (const level of levels) {
    say(`${level} images archived before`);
    const opened = await openSite(`archived-${level}`, directory, shelf);
    await opened.site.fillIndex(madeUpHashes(level, 'before'));
    sites[String(level)] = opened;
  }
  const subjects = Object.entries(sites).map(
    ([level, site]) => [level, () => costOf(site, calls, 8, generator)] as const,
  );
  return growthFigures(
    await interleaved(rounds, Object.fromEntries(subjects)),
    levels,
    'images archived before',
  );
}

async function byCallers({ directory, rounds, quick, say }: BenchContext): Promise<Figure[]> {
  say('callers at once');
  const calls = quick ? 64 : 512;
  await using shelf = openShelf(directory);
  const generator = await createLoadGenerator(directory, FIXED_REQUEST);
  const site = await openSite('callers', directory, shelf);
  const subjects = CALLERS.map(
    (callers) => [String(callers), () => costOf(site, calls, callers, generator)] as const,
  );
  return growthFigures(await interleaved(rounds, Object.fromEntries(subjects)), CALLERS, 'callers at once');
}

/** Each level against the first. */
function growthFigures(costs: Record<string, Cost[]>, levels: readonly number[], along: string): Figure[] {
  const [from = 0, ...rest] = levels;
  const parts = [
    ['service, CPU per call', 'perCallMs'],
    ['archiver, CPU per pair', 'perPairMs'],
    ['NATS, CPU per pair', 'natsMs'],
  ] as const;
  return rest.flatMap((at) =>
    parts.map(([of, part]) => {
      const values = (level: number): number[] => (costs[String(level)] ?? []).map((cost) => cost[part]);
      const measured = { what: `${at} ${along}: ${of}`, unit: 'ms', ours: values(at) };
      return flat(measured, { along, of, at, from }, values(from));
    }),
  );
}
