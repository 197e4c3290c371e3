/** Bench 1: how fast ready bytes reach callers. */
import type { Bench, BenchContext } from '../bench.ts';
import { compared, type Figure } from '../measure/figures.ts';
import { createLoadGenerator, type LoadGenerator } from '../measure/load.ts';
import { cpuDuring } from '../measure/process-usage.ts';
import { interleaved, repeated } from '../measure/rounds.ts';
import { FIXED_IMAGE_SERVICE, FIXED_REQUEST, openShelf, type Subject } from '../measure/subjects.ts';

const SIZES = [
  { name: '300 KB', bytes: 300_000 },
  { name: '1 MB', bytes: 1_000_000 },
  { name: '8 MB', bytes: 8_000_000 },
];
/** Time for each server to get warm before the rounds, s: Node compiles what runs often, meanwhile. */
const WARM_UP_SECONDS = { quick: 0.5, full: 8 };
const CONNECTIONS = 4;
const STREAMS = 2;

export const streaming: Bench = {
  name: 'streaming',
  title: 'Streaming of ready bytes (4 connections, 2 calls each, 1 MiB windows)',
  leavesOut:
    'engine and encoder; TLS; the archive; slow callers. The peers check, count and log nothing, and only one hashes: ' +
    'a SHA-256 takes about 1 ms per MB of the one thread that all of them have. Load and server share the machine.',
  async run(context) {
    const generator = await createLoadGenerator(context.directory, FIXED_REQUEST);
    const figures: Figure[] = [];
    for (const size of SIZES) figures.push(...(await measureSize(size, generator, context)));
    return figures;
  },
};

async function measureSize(
  { name, bytes }: (typeof SIZES)[number],
  generator: LoadGenerator,
  { directory, rounds, quick, say }: BenchContext,
): Promise<Figure[]> {
  say(`${name} images`);
  await using shelf = openShelf(directory);
  const environment = { BENCH_IMAGE_BYTES: String(bytes) };
  const wide = { ...environment, ENGINE_CONCURRENCY: '64' };
  const ours = await shelf.service('ours', FIXED_IMAGE_SERVICE, wide);
  const grpcJs = await shelf.peer('grpc-js', 'test/bench/peers/grpc-js-server.js', environment);
  const hashing = await shelf.peer('hashing', 'test/bench/peers/grpc-js-server.js', {
    ...environment,
    BENCH_HASH: 'true',
  });
  const http2 = await shelf.peer('http2', 'test/bench/peers/http2-server.js', environment);
  const calls = Math.max(CONNECTIONS * STREAMS * 2, Math.round((quick ? 40e6 : 1e9) / bytes));
  const measure = async ({ port, pid }: Subject) => {
    const load = { port, calls, connections: CONNECTIONS, streams: STREAMS, minAnswerBytes: bytes };
    const { value, cpu } = await cpuDuring([pid], () => generator.load(load));
    return { rate: value.megabytesPerSecond, cpuMs: ((cpu[0] ?? 0) * 1000) / calls };
  };
  const warmUpSeconds = quick ? WARM_UP_SECONDS.quick : WARM_UP_SECONDS.full;
  for (const subject of [ours, grpcJs, hashing, http2]) await repeated(() => measure(subject), warmUpSeconds);
  const found = await interleaved(rounds, {
    ours: () => measure(ours),
    grpcJs: () => measure(grpcJs),
    hashing: () => measure(hashing),
    http2: () => measure(http2),
  });
  const rates = (of: keyof typeof found): number[] => found[of].map(({ rate }) => rate);
  const cpus = (of: keyof typeof found): number[] => found[of].map(({ cpuMs }) => cpuMs);
  const throughput = { what: `${name}: throughput`, unit: 'MB/s', ours: rates('ours') };
  const cpu = { what: `${name}: CPU per call`, unit: 'ms', ours: cpus('ours') };
  // Our own generator is the bottleneck itself, and would call good what h2load does not.
  const judged = (atLeast: number) => (generator.name === 'h2load' ? { target: { atLeast } } : {});
  return [
    compared({ ...throughput, ...judged(0.9) }, 'hand-tuned grpc-js', rates('grpcJs')),
    compared(throughput, 'the same with SHA-256', rates('hashing')),
    compared({ ...throughput, ...judged(0.5) }, 'raw node:http2', rates('http2')),
    compared(cpu, 'hand-tuned grpc-js', cpus('grpcJs')),
  ];
}
