/** What the default of CHUNK_BYTES was chosen by. */
import type { Bench } from '../bench.ts';
import { compared } from '../measure/figures.ts';
import { createLoadGenerator } from '../measure/load.ts';
import { interleaved, repeated } from '../measure/rounds.ts';
import { FIXED_IMAGE_SERVICE, FIXED_REQUEST, openShelf, type Subject } from '../measure/subjects.ts';

const IMAGE_BYTES = 1_000_000;
const DEFAULT_KIB = 256;
const OTHERS_KIB = [64, 128, 512, 1_024];
const WARM_UP_SECONDS = 5;

export const chunkSize: Bench = {
  name: 'chunk-size',
  title: 'Streaming of ready bytes by chunk size (1 MB, 4 connections, 2 calls each, 1 MiB windows)',
  leavesOut:
    'slow callers, whose share of memory grows with the chunk; networks with loss; engine and archive.',
  async run({ directory, rounds, quick, say }) {
    await using shelf = openShelf(directory);
    const generator = await createLoadGenerator(directory, FIXED_REQUEST);
    const calls = quick ? 60 : 500;
    const measure = async ({ port }: Subject): Promise<number> => {
      const load = { port, calls, connections: 4, streams: 2, minAnswerBytes: IMAGE_BYTES };
      return (await generator.load(load)).megabytesPerSecond;
    };
    const subjects: [string, () => Promise<number>][] = [];
    for (const kib of [DEFAULT_KIB, ...(quick ? [64] : OTHERS_KIB)]) {
      say(`${kib} KiB`);
      const service = await shelf.service(`chunks-${kib}`, FIXED_IMAGE_SERVICE, {
        BENCH_IMAGE_BYTES: String(IMAGE_BYTES),
        ENGINE_CONCURRENCY: '64',
        CHUNK_BYTES: String(kib * 1024),
      });
      await repeated(() => measure(service), quick ? 0 : WARM_UP_SECONDS);
      subjects.push([`${kib} KiB`, () => measure(service)]);
    }
    const found = await interleaved(rounds, Object.fromEntries(subjects));
    const ours = found[`${DEFAULT_KIB} KiB`] ?? [];
    return Object.entries(found)
      .filter(([name]) => name !== `${DEFAULT_KIB} KiB`)
      .map(([name, rates]) =>
        compared({ what: `chunks of ${DEFAULT_KIB} KiB`, unit: 'MB/s', ours }, `of ${name}`, rates),
      );
  },
};
