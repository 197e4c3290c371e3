/**
 * Soak program: twice as many calls as the service can serve, from a greedy caller, two ordinary ones and a polite
 * one, and what becomes of them. Not part of `npm test`.
 *
 *   npm run build && node dist/test/soak/overload.js [--minutes 5]
 *
 * Exits with 1 when a target is missed: goodput of 95 % of the capacity, flat memory, RetryInfo on every refusal,
 * no other failure, and a polite caller that gets what it asks for.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startManagedProcess } from '../../deploy/dev/managed-process.ts';
import { lookThrough, type ProcessHoldings } from '../_support/holdings-window.ts';
import { IMAGE_ENVIRONMENT } from '../_support/image/image-environment.ts';
import { callForAWhile, type LoadCount } from '../_support/load-caller.ts';
import { startNatsFixture } from '../_support/nats-fixture.ts';

const GENERATION_MS = 400;
const CONCURRENCY = 16;
const CAPACITY_PER_SECOND = CONCURRENCY / (GENERATION_MS / 1_000);
const DEADLINE_MS = 30_000;
/** Until the queue is full, code is compiled and the heap has its size. */
const WARM_UP_MS = 60_000;
/** Memory is measured after each; the first belongs to caches and to compiled code. */
const FIFTHS = 5;
/** From the second fifth to the last; the number of images in flight differs between any two moments. */
const MOST_HEAP_GROWTH_BYTES = 3_000_000;
/** The same for resident memory, which also has what malloc does not give back: for leaks of native code. */
const MOST_RSS_GROWTH_BYTES = 15_000_000;
const LEAST_GOODPUT = 0.95;
const LEAST_POLITE_SHARE = 0.95;

/** Shares of the capacity that are asked for: twice in all. The polite caller asks for less than a fourth. */
const CALLERS = [
  { name: 'greedy', host: '127.0.0.2', share: 1.2 },
  { name: 'ordinary', host: '127.0.0.3', share: 0.325 },
  { name: 'ordinary too', host: '127.0.0.4', share: 0.325 },
  { name: 'polite', host: '127.0.0.5', share: 0.15 },
];

async function startService(natsUrl: string, directory: string) {
  return startManagedProcess({
    name: 'overloaded service',
    entry: 'test/_support/steady-service.js',
    environment: {
      GRPC_LISTEN: '127.0.0.1:0',
      ADMIN_LISTEN: '127.0.0.1:0',
      NATS_URL: natsUrl,
      SPOOL_DIR: join(directory, 'spool'),
      ENGINE_CONCURRENCY: String(CONCURRENCY),
      TEST_GENERATION_MS: String(GENERATION_MS),
      LOG_LEVEL: 'warn',
      ...IMAGE_ENVIRONMENT,
    },
    logFile: join(directory, 'service.log'),
    readyMessage: 'steady service is ready',
  });
}

interface Memory {
  readonly rssBytes: number;
  readonly heapBytes: number;
  readonly externalBytes: number;
}

/** After each fifth of the time, under load, after a collection of garbage. */
async function measuredFifths(holdingsPort: number, measuredMs: number): Promise<Memory[]> {
  const fifths: Memory[] = [];
  const started = performance.now();
  for (let fifth = 1; fifth <= FIFTHS; fifth += 1) {
    await sleep(started + (measuredMs * fifth) / FIFTHS - performance.now());
    const held = await lookThrough<ProcessHoldings & { callsRunning: number }>(holdingsPort);
    const { rssBytes, heapBytes, externalBytes } = held;
    const shown = [heapBytes, externalBytes, rssBytes].map(megabytes);
    console.log(
      `fifth ${fifth}: heap ${shown[0]}, external ${shown[1]}, RSS ${shown[2]}, ${held.callsRunning} calls`,
    );
    fifths.push({ rssBytes, heapBytes, externalBytes });
  }
  return fifths;
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
}

function show({ name, sent, ok, refused, others, latenciesMs, retryAfterMs }: LoadCount): void {
  const at = (values: readonly number[]): string =>
    values.length === 0 ? '-' : `${percentile(values, 0.5)}/${percentile(values, 0.95)} ms`;
  console.log(
    `${name}: sent ${sent}, OK ${ok} (p50/p95 ${at(latenciesMs)}), refused ${refused}` +
      ` (told to come back after ${at(retryAfterMs)}), others ${JSON.stringify(others)}`,
  );
}

const sum = (counts: readonly LoadCount[], pick: (count: LoadCount) => number): number =>
  counts.reduce((total, count) => total + pick(count), 0);

function judge(counts: readonly LoadCount[], seconds: number, memory: readonly Memory[]): boolean {
  for (const count of counts) show(count);
  const goodput = sum(counts, ({ ok }) => ok) / seconds / CAPACITY_PER_SECOND;
  const polite = counts.find(({ name }) => name === 'polite');
  const politeShare = polite === undefined ? 0 : polite.ok / polite.sent;
  const [early, late] = [memory[1], memory.at(-1)];
  const heapGrowth =
    early && late ? late.heapBytes + late.externalBytes - early.heapBytes - early.externalBytes : Number.NaN;
  const rssGrowth = early && late ? late.rssBytes - early.rssBytes : Number.NaN;
  const failures = sum(counts, ({ others }) => Object.values(others).reduce((a, b) => a + b, 0));
  const withoutRetryInfo = sum(counts, (count) => count.withoutRetryInfo);
  const verdicts: readonly (readonly [boolean, string])[] = [
    [
      goodput >= LEAST_GOODPUT,
      `goodput ${(goodput * 100).toFixed(1)} % of ${CAPACITY_PER_SECOND} images/s, asked for` +
        ` ${((sum(counts, ({ sent }) => sent) / seconds / CAPACITY_PER_SECOND) * 100).toFixed(0)} %`,
    ],
    [
      heapGrowth <= MOST_HEAP_GROWTH_BYTES,
      `heap and buffers grew by ${megabytes(heapGrowth)} from the second fifth of the time to the last`,
    ],
    [rssGrowth <= MOST_RSS_GROWTH_BYTES, `resident memory grew by ${megabytes(rssGrowth)}`],
    [
      withoutRetryInfo === 0,
      `${withoutRetryInfo} of ${sum(counts, ({ refused }) => refused)} refusals without RetryInfo`,
    ],
    [failures === 0, `${failures} calls failed otherwise`],
    [
      politeShare >= LEAST_POLITE_SHARE,
      `the polite caller got ${(politeShare * 100).toFixed(1)} % of its calls`,
    ],
  ];
  for (const [good, text] of verdicts) console.log(`${good ? 'good' : 'MISSED'}: ${text}`);
  return verdicts.every(([good]) => good);
}

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '5' } } });
const measuredMs = Number(values.minutes) * 60_000;
const directory = await mkdtemp(join(tmpdir(), 'sekai-overload-'));
await using nats = await startNatsFixture();
const service = await startService(nats.server.url, directory);
const [port, holdingsPort] = [Number(service.ready['grpcPort']), Number(service.ready['holdingsPort'])];

let counting = false;
const callsEnd = new AbortController();
const calls = CALLERS.map(({ name, host, share }) =>
  callForAWhile(
    { name, host, port, callsPerSecond: share * CAPACITY_PER_SECOND, deadlineMs: DEADLINE_MS },
    () => counting,
    callsEnd.signal,
  ),
);
await sleep(WARM_UP_MS);
counting = true;
const started = performance.now();
const memory = await measuredFifths(holdingsPort, measuredMs);
// As many calls of before the window end in it as calls of the window end after it: the load is steady.
counting = false;
const seconds = (performance.now() - started) / 1_000;
await sleep(DEADLINE_MS / 6);
callsEnd.abort();
const good = judge(await Promise.all(calls), seconds, memory);
const exitCode = await service.stop();
console.log(`the service exited with ${exitCode}`);
await rm(directory, { recursive: true, force: true });
if (!good || exitCode !== 0) process.exitCode = 1;
