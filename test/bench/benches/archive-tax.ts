/** Bench 2: what archiving costs a caller. */
import type { Bench, BenchContext } from '../bench.ts';
import { type ArchiveSite, openArchiveSite } from '../measure/archive-site.ts';
import { absolute, compared, type Figure, quantile } from '../measure/figures.ts';
import { createLoadGenerator, type LoadResult } from '../measure/load.ts';
import { cpuDuring } from '../measure/process-usage.ts';
import { interleaved } from '../measure/rounds.ts';
import {
  FIXED_IMAGE_SERVICE,
  FIXED_REQUEST,
  openShelf,
  REAL_SERVICE,
  type SubjectShelf,
} from '../measure/subjects.ts';

export const archiveTax: Bench = {
  name: 'archive-tax',
  title: 'GenerateImage with archiving on against off',
  leavesOut:
    'the archiver, which does not run here: its CPU is bench “archiver”. NATS does, on the same machine. ' +
    'Latencies are of 2 callers at once; the p99 is over the calls of all rounds.',
  async run(context) {
    await using shelf = openShelf(context.directory);
    const site = await openArchiveSite('tax', context.directory, shelf);
    return [
      ...(await procedural(512, context.quick ? 2 : 60, context, site, shelf)),
      ...(await procedural(1024, context.quick ? 2 : 30, context, site, shelf)),
      ...(await fixedImage(300_000, context.quick ? 50 : 1_000, context, site)),
      ...(await fixedImage(10_000_000, context.quick ? 6 : 60, context, site)),
    ];
  },
};

async function procedural(
  side: number,
  calls: number,
  { directory, rounds, say }: BenchContext,
  site: ArchiveSite,
  shelf: SubjectShelf,
): Promise<Figure[]> {
  const name = `${side}²`;
  say(`procedural engine, ${name}`);
  const generator = await createLoadGenerator(directory, { width: side, height: side, seed: 7 });
  const on = await shelf.service(`on-${side}`, REAL_SERVICE, site.serviceEnvironment);
  const off = await shelf.service(`off-${side}`, REAL_SERVICE);
  const measure = ({ port }: typeof on): Promise<LoadResult> =>
    generator.load({ port, calls, connections: 2, streams: 1, minAnswerBytes: 10_000 });
  const found = await interleaved(rounds, { on: () => measure(on), off: () => measure(off) });
  const p50Of = (of: 'on' | 'off'): number[] =>
    found[of].map(({ latenciesMs }) => quantile(latenciesMs, 0.5));
  // Over the calls of all rounds together: over those of one it would be its slowest call.
  const p99Of = (of: 'on' | 'off'): number[] => [
    quantile(
      found[of].flatMap(({ latenciesMs }) => latenciesMs),
      0.99,
    ),
  ];
  const rates = (of: 'on' | 'off'): number[] => found[of].map(({ callsPerSecond }) => callsPerSecond);
  const versus = 'archiving off';
  const p50 = { what: `${name}: p50`, unit: 'ms', ours: p50Of('on'), target: { atMost: 1.02 } };
  const p99 = { what: `${name}: p99`, unit: 'ms', ours: p99Of('on'), target: { atMost: 1.05 } };
  const rate = { what: `${name}: calls`, unit: '/s', ours: rates('on'), target: { atLeast: 0.95 } };
  return [
    compared(p50, versus, p50Of('off')),
    compared(p99, versus, p99Of('off')),
    compared(rate, versus, rates('off')),
  ];
}

async function fixedImage(
  imageBytes: number,
  calls: number,
  { directory, rounds, say }: BenchContext,
  site: ArchiveSite,
): Promise<Figure[]> {
  const name = imageBytes < 1e6 ? `${imageBytes / 1e3} KB` : `${imageBytes / 1e6} MB`;
  say(`ready images of ${name}`);
  await using shelf = openShelf(directory);
  const generator = await createLoadGenerator(directory, FIXED_REQUEST);
  const environment = { BENCH_IMAGE_BYTES: String(imageBytes), BENCH_DISTINCT: 'true' };
  const on = await shelf.service(`on-${name}`, FIXED_IMAGE_SERVICE, {
    ...environment,
    ...site.serviceEnvironment,
  });
  const off = await shelf.service(`off-${name}`, FIXED_IMAGE_SERVICE, environment);
  const measure = async ({ port, pid, process }: typeof on) => {
    const load = { port, calls, connections: 2, streams: 1, minAnswerBytes: imageBytes };
    const adminPort = Number(process.ready['adminPort']);
    await loopDelayP99Ms(adminPort); // Begins anew with each scrape.
    const { cpu } = await cpuDuring([pid], () => generator.load(load));
    return { cpuMs: ((cpu[0] ?? 0) * 1000) / calls, delayMs: await loopDelayP99Ms(adminPort) };
  };
  const found = await interleaved(rounds, { on: () => measure(on), off: () => measure(off) });
  const cpus = (of: 'on' | 'off'): number[] => found[of].map(({ cpuMs }) => cpuMs);
  const delays = (of: 'on' | 'off'): number[] => found[of].map(({ delayMs }) => delayMs);
  const more = cpus('on').map((ms, round) => ms - (cpus('off')[round] ?? Number.NaN));
  const extra = { what: `${name}: CPU per call for the archive`, unit: 'ms', ours: more };
  const delay = { what: `${name}: event-loop delay p99`, unit: 'ms', ours: delays('on') };
  return [
    absolute(imageBytes === 300_000 ? { ...extra, target: { atMost: 2 } } : extra),
    absolute({ ...delay, target: { atMost: 20 } }),
    compared(delay, 'archiving off', delays('off')),
  ];
}

/** Sleep between two looks of Node's monitorEventLoopDelay, which counts it as delay, ms: prom-client's setting. */
const SLEEP_MS = 10;

/** What the service itself says of its event loop, without the sleep. */
async function loopDelayP99Ms(adminPort: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  const seconds = /^nodejs_eventloop_lag_p99_seconds (\S+)$/m.exec(text)?.[1];
  return Math.max(0, Number(seconds) * 1000 - SLEEP_MS);
}
