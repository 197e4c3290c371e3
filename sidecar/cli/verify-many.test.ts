import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pairKeys } from '../../proto/archive-event.ts';
import { type PairBench, startPairBench } from './testing/pair-bench.ts';
import { type Outcome, runCli } from './testing/run-cli.ts';

let bench: PairBench;
let hashes: string[];

beforeEach(async () => {
  bench = await startPairBench();
  hashes = [];
  for (let index = 0; index < 12; index += 1) {
    hashes.push(await bench.addPair(Buffer.from(`image ${index}`)));
  }
  hashes.sort();
});
afterEach(() => bench[Symbol.asyncDispose]());

const verify = (args: readonly string[], input = ''): Promise<Outcome> =>
  runCli(['verify', ...args], bench.environment, { stdin: Readable.from([input]) });
const keysOf = (at: number) => pairKeys(bench.prefix, hashes[at] ?? '');

describe('verify --prefix', () => {
  it('finds every pair, and says only what is wrong', async () => {
    expect(await verify(['--prefix'])).toEqual({
      code: 0,
      stdout: '12 pairs: 12 good, 0 bad, 0 not checked\n',
      stderr: '',
    });
    await bench.s3.objects.delete(bench.bucket, keysOf(3).image);
    await bench.s3.objects.delete(bench.bucket, keysOf(7).record);
    await bench.s3.objects.setAcl(bench.bucket, keysOf(9).image, 'public-read');
    // None of our business.
    await bench.s3.objects.set(bench.bucket, `${bench.prefix}output-notes.txt`, 'notes');
    const { code, stdout } = await verify(['--prefix', '--concurrency', '1']);
    expect(stdout.match(/^BAD {2}\w+/gm)).toEqual([3, 7, 9].map((at) => `BAD  ${hashes[at]}`));
    expect(stdout.match(/missing from the bucket/g)).toHaveLength(2);
    expect(stdout).toContain('anybody can read it');
    expect(stdout).toMatch(/^12 pairs: 9 good, 3 bad, 0 not checked\n$/m);
    expect(code).toBe(1);
  });

  it('looks into the bytes only with --deep', async () => {
    await bench.s3.objects.corrupt(bench.bucket, keysOf(5).image);
    await bench.s3.objects.set(bench.bucket, keysOf(6).record, '{}');
    expect((await verify(['--prefix'])).stdout).toContain('12 good');
    const { code, stdout } = await verify(['--prefix', '--deep']);
    expect(stdout).toContain('10 good, 2 bad');
    expect(stdout).toContain('not the hash in its name');
    expect(stdout).toContain('schema_version is not');
    expect(code).toBe(1);
  });

  it('is not content with an empty prefix', async () => {
    const environment = { ...bench.environment, S3_PREFIX: 'another' };
    const { code, stderr } = await runCli(['verify', '--prefix'], environment);
    expect(stderr).toContain('nothing to check under s3://test-bucket/another/');
    expect(code).toBe(2);
  });

  it('names the permission it lacks', async () => {
    await bench.s3.setBucket({ name: bench.bucket, listBucketAllowed: false });
    const { code, stderr } = await verify(['--prefix']);
    expect(stderr).toContain('s3:ListBucket');
    expect(code).toBe(2);
  });
});

describe('verify --stdin', () => {
  it('takes hashes line by line', async () => {
    const { code, stdout } = await verify(['--stdin', '--json'], `${hashes[0]}\n\n${'ab'.repeat(32)}\r\n`);
    const [bad, summary] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(bad).toMatchObject({ image_hash: 'ab'.repeat(32), verdict: 'bad' });
    expect(summary).toMatchObject({ verdict: 'bad', pairs: { good: 1, bad: 1, unchecked: 0 } });
    expect(code).toBe(1);
  });

  it('refuses a line that is no hash, by its number', async () => {
    const { code, stderr } = await verify(['--stdin'], `${hashes[0]}\nnonsense\n`);
    expect(stderr).toBe('line 2 of the input is not an image hash (64 lower-case hex digits)\n');
    expect(code).toBe(64);
  });

  it('gives up after twenty that could not be checked', async () => {
    await bench.s3.setBucket({ name: bench.bucket, listBucketAllowed: false });
    const missing = Array.from({ length: 500 }, (_, index) => index.toString(16).padStart(64, '0'));
    const { code, stdout } = await verify(['--stdin', '--concurrency', '4'], missing.join('\n'));
    expect(stdout).toContain('20 in a row could not be checked, the rest was left');
    expect(stdout.match(/^NOT CHECKED/gm)?.length).toBeLessThan(30);
    expect(code).toBe(2);
  });
});

it('wants hashes, --stdin or --prefix, and only one of them', async () => {
  for (const args of [[], ['--stdin', '--prefix'], [hashes[0] ?? '', '--prefix']]) {
    expect((await verify(args)).code).toBe(64);
  }
});
