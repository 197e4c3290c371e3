/** Bench 7: against what users had: uploads in a thread pool of the process that answers calls. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Bench } from '../bench.ts';
import { openArchiveSite } from '../measure/archive-site.ts';
import { compared, quantile } from '../measure/figures.ts';
import { createLoadGenerator } from '../measure/load.ts';
import { interleaved } from '../measure/rounds.ts';
import { FIXED_IMAGE_SERVICE, FIXED_REQUEST, openShelf, type SubjectShelf } from '../measure/subjects.ts';

const IMAGE_BYTES = 300_000;
const PACKAGES = 'grpc, requests, boto3';
/** From the sources, which stand beside dist/. */
const PROGRAM = 'test/bench/peers/thread_pool.py';
const UPLOADS_DEADLINE_MS = 120_000;

export const threadPool: Bench = {
  name: 'thread-pool',
  title:
    'Against the old API: Python, grpcio, presigned POST in an in-process thread pool (300 KB, 8 callers)',
  leavesOut:
    'what the old way does not do: nothing survives a crash, duplicates are uploaded again, failures are lost. S3 is ' +
    'a sink. Ours runs service, NATS and archiver on the same machine, the peer one process.',
  async run({ directory, rounds, quick }) {
    const python = process.env['PYTHON'] ?? 'python3';
    if (!(await hasPackages(python))) return { skipped: `${python} has not all of: ${PACKAGES}` };
    await using shelf = openShelf(directory);
    const site = await openArchiveSite('old', directory, shelf);
    const generator = await createLoadGenerator(directory, FIXED_REQUEST);
    const environment = { BENCH_IMAGE_BYTES: String(IMAGE_BYTES), BENCH_DISTINCT: 'true' };
    const wide = { ...environment, ...site.serviceEnvironment, ENGINE_CONCURRENCY: '64' };
    const ours = await shelf.service('service', FIXED_IMAGE_SERVICE, wide);
    await shelf.archiver('archiver', site.archiverEnvironment);
    const s3 = site.archiverEnvironment['S3_ENDPOINT'] ?? '';
    const peerPort = await startPython(python, { ...environment, S3_ENDPOINT: s3 }, shelf);
    const calls = quick ? 60 : 1_000;
    const measure = async (port: number) => {
      const before = await site.uploads();
      const started = performance.now();
      const load = { port, calls, connections: 4, streams: 2, minAnswerBytes: IMAGE_BYTES };
      const { latenciesMs } = await generator.load(load);
      const deadline = AbortSignal.timeout(UPLOADS_DEADLINE_MS);
      while ((await site.uploads()) < before + calls * 2) await sleep(10, undefined, { signal: deadline });
      const pairsPerSecond = (calls * 1000) / (performance.now() - started);
      return { p50: quantile(latenciesMs, 0.5), p99: quantile(latenciesMs, 0.99), pairsPerSecond };
    };
    const found = await interleaved(rounds, { ours: () => measure(ours.port), old: () => measure(peerPort) });
    const values = (of: 'ours' | 'old', part: 'p50' | 'p99' | 'pairsPerSecond'): number[] =>
      found[of].map((each) => each[part]);
    const figure = (what: string, unit: string, part: 'p50' | 'p99' | 'pairsPerSecond') =>
      compared({ what, unit, ours: values('ours', part) }, 'thread pool', values('old', part));
    return [
      figure('callers’ p50', 'ms', 'p50'),
      figure('callers’ p99', 'ms', 'p99'),
      figure('pairs', '/s', 'pairsPerSecond'),
    ];
  },
};

async function hasPackages(python: string): Promise<boolean> {
  return promisify(execFile)(python, ['-c', `import ${PACKAGES}`]).then(
    () => true,
    () => false,
  );
}

/** Returns its port. */
async function startPython(
  python: string,
  environment: Record<string, string>,
  shelf: SubjectShelf,
): Promise<number> {
  const child = spawn(python, [PROGRAM], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = once(child, 'exit');
  shelf.own(async () => {
    child.kill();
    await gone;
  });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return (JSON.parse(line) as { grpcPort: number }).grpcPort;
}
