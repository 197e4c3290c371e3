/**
 * Soak program: thousands of cancels, deadlines and cut connections at random points of a call, and what the
 * service still holds afterwards. Not part of `npm test`, which runs 500 of them.
 *
 *   npm run build && node dist/test/soak/cancels.js [cancels, 10000]
 *
 * Exits with 1 when more than 15 MB of resident memory came on top of what 2,000 cancels left, or anything else grew.
 */
import { type CancelStorm, startCancelStorm } from '../_support/cancel-storm.ts';
import type { Holdings } from '../_support/soak-service.ts';

const WARM_UP = 2_000;
const MOST_GROWTH_BYTES = 15_000_000;

function show(cancels: number, held: Holdings, counts: Readonly<Record<string, number>>): void {
  const { rssBytes, heapBytes, ...rest } = held;
  const megabytes = { rssMB: (rssBytes / 1e6).toFixed(1), heapMB: (heapBytes / 1e6).toFixed(1) };
  console.log(`${cancels} cancels: ${JSON.stringify({ ...megabytes, ...rest, ended: counts })}`);
}

async function rageAndShow(storm: CancelStorm, cancels: number, sofar: number): Promise<Holdings> {
  const counts = await storm.rage(cancels);
  const held = await storm.holdings();
  show(sofar + cancels, held, counts);
  return held;
}

/** What differs between two holdings and must not; memory is judged apart. */
function growth(before: Holdings, after: Holdings): string[] {
  const facts = ({ handles, sessions, enginesRunning, processListeners }: Holdings) =>
    ({ ...handles, sessions, enginesRunning, processListeners }) as Record<string, number>;
  const [first, last] = [facts(before), facts(after)];
  return Object.keys(last).flatMap((name) =>
    (last[name] ?? 0) > (first[name] ?? 0) ? [`${name}: ${first[name] ?? 0} -> ${last[name]}`] : [],
  );
}

const total = Number(process.argv[2] ?? 10_000);
await using storm = await startCancelStorm({ cuts: true });
const started = performance.now();
const before = await rageAndShow(storm, WARM_UP, 0);
const after = await rageAndShow(storm, total - WARM_UP, WARM_UP);
const grownBytes = after.rssBytes - before.rssBytes;
const grown = growth(before, after);
const seconds = ((performance.now() - started) / 1000).toFixed(0);
console.log(`resident memory ${(grownBytes / 1e6).toFixed(1)} MB more than after ${WARM_UP}; ${seconds} s`);
console.log(grown.length === 0 ? 'nothing else grew' : grown.join('\n'));
if (grownBytes > MOST_GROWTH_BYTES || grown.length > 0) process.exitCode = 1;
