/** Bench 3: the archiver against a bare undici loop, and how fast it sees through duplicates. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ManagedProcess } from '../../../deploy/dev/managed-process.ts';
import type { Bench, BenchContext } from '../bench.ts';
import { type ArchiveSite, openArchiveSite } from '../measure/archive-site.ts';
import { absolute, compared, type Figure } from '../measure/figures.ts';
import { cpuDuring } from '../measure/process-usage.ts';
import { interleaved } from '../measure/rounds.ts';
import { openShelf } from '../measure/subjects.ts';
import type { UndiciLoopOptions } from '../peers/undici-loop.ts';
import { eventOf, makePairs, type Pair } from '../subjects/pairs.ts';

const IMAGE_BYTES = 300_000;
const CONCURRENCY = 8;
/** Events that an archiver holds at a time: as many as it uploads, and those it looks up meanwhile. */
const HELD = 2 * CONCURRENCY - 1;
/** Handled before the first round: a process that has just started is not what is asked about. */
const WARM_UP_PAIRS = 200;
/** Events of a duplicate stay below 4 KiB. */
const SMALL_IMAGE_BYTES = 2_000;

export const archiver: Bench = {
  name: 'archiver',
  title: `Archiving pairs with images of 300 KB, ${CONCURRENCY} at once`,
  leavesOut:
    'S3 itself, a sink here that keeps nothing, with and without 20 ms of latency; chunked images; TLS. The loop has ' +
    'its forms signed beforehand and neither queue, index, hash nor existence check; NATS shares the machine. Small ' +
    'pairs that hold the archiver before the clock starts are uploaded in its time, and not counted.',
  async run(context) {
    return [
      ...(await uploads(context, 0, 'S3 at once')),
      ...(await uploads(context, 20, 'S3 after 20 ms')),
      ...(await duplicates(context)),
    ];
  },
};

async function uploads(
  { directory, rounds, quick, say }: BenchContext,
  s3DelayMs: number,
  title: string,
): Promise<Figure[]> {
  say(`uploads, ${title}`);
  await using shelf = openShelf(directory);
  const site = await openArchiveSite(`delay-${s3DelayMs}`, directory, shelf, s3DelayMs);
  const environment = { ...site.archiverEnvironment, ARCHIVER_CONCURRENCY: String(CONCURRENCY) };
  const process = await shelf.archiver(`archiver-${s3DelayMs}`, environment);
  const pairs = quick ? 48 : 400;
  const warmUpPairs = pairs / 2;
  const loop = {
    s3Port: site.s3.port,
    pairs,
    warmUpPairs,
    imageBytes: IMAGE_BYTES,
    concurrency: CONCURRENCY,
  };
  await archiveAll(process, site, makePairs(WARM_UP_PAIRS, IMAGE_BYTES, 'warm-up'), 'warm-up');
  const found = await interleaved(rounds, {
    ours: (round) =>
      archiveAll(process, site, makePairs(pairs, IMAGE_BYTES, `round ${round}`), String(round)),
    loop: () => undiciLoop(loop),
  });
  const rates = (of: keyof typeof found): number[] => found[of].map(({ pairsPerSecond }) => pairsPerSecond);
  const cpus = (of: keyof typeof found): number[] => found[of].map(({ cpuMsPerPair }) => cpuMsPerPair);
  const throughput = { what: `${title}: pairs`, unit: '/s', ours: rates('ours') };
  const cpu = { what: `${title}: CPU per pair`, unit: 'ms', ours: cpus('ours') };
  return [
    compared({ ...throughput, target: { atLeast: 0.85 } }, 'undici loop', rates('loop')),
    compared({ ...cpu, target: { atMost: 1.5 } }, 'undici loop', cpus('loop')),
  ];
}

interface Spent {
  readonly pairsPerSecond: number;
  readonly cpuMsPerPair: number;
}

/**
 * Fills the queue while S3 holds the archiver with as many pairs as it takes in hand, and measures from S3's release
 * until nothing is queued. A process that is stopped instead may be sent events that come again only when their ack_wait is over.
 */
async function archiveAll(
  process: ManagedProcess,
  site: ArchiveSite,
  pairs: readonly Pair[],
  salt: string,
): Promise<Spent> {
  await site.hold();
  const first = makePairs(HELD, SMALL_IMAGE_BYTES, `holding ${salt}`);
  await site.publish([...first, ...pairs].map((pair) => ({ pair, event: eventOf(pair) })));
  const started = performance.now();
  const { cpu } = await cpuDuring([process.pid], async () => {
    await site.release();
    await site.queueAtMost(0);
  });
  return perPair((performance.now() - started) / 1000, cpu[0] ?? 0, pairs.length);
}

const perPair = (seconds: number, cpuSeconds: number, pairs: number): Spent => ({
  pairsPerSecond: pairs / seconds,
  cpuMsPerPair: (cpuSeconds * 1000) / pairs,
});

async function undiciLoop(options: UndiciLoopOptions): Promise<Spent> {
  const program = new URL('../peers/undici-loop.js', import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(options)]);
  const { seconds, cpuSeconds } = JSON.parse(stdout) as { seconds: number; cpuSeconds: number };
  return perPair(seconds, cpuSeconds, options.pairs);
}

async function duplicates({ directory, rounds, quick, say }: BenchContext): Promise<Figure[]> {
  say('duplicates');
  await using shelf = openShelf(directory);
  const site = await openArchiveSite('duplicates', directory, shelf);
  const environment = { ...site.archiverEnvironment, ARCHIVER_CONCURRENCY: String(CONCURRENCY) };
  const process = await shelf.archiver('archiver-duplicates', environment);
  const pairs = makePairs(quick ? 1_000 : 20_000, SMALL_IMAGE_BYTES, 'duplicate');
  await site.fillIndex(pairs.map(({ imageHash }) => imageHash));
  const { ours } = await interleaved(rounds, {
    ours: (round) => archiveAll(process, site, pairs, String(round)),
  });
  return [
    absolute({
      what: 'duplicates',
      unit: '/s',
      ours: ours.map(({ pairsPerSecond }) => pairsPerSecond),
      target: { atLeast: 5_000 },
    }),
    absolute({
      what: 'duplicates: CPU of the archiver for each',
      unit: 'ms',
      ours: ours.map(({ cpuMsPerPair }) => cpuMsPerPair),
    }),
  ];
}
