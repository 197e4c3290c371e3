import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pairKeys } from '../../../proto/archive-event.ts';
import { type PairBench, startPairBench } from '../testing/pair-bench.ts';
import { type Outcome, runCli } from '../testing/run-cli.ts';
import { escapeXml, wrapText } from './caption.ts';
import { newestImages } from './newest-images.ts';
import { readSince } from './since.ts';

let bench: PairBench;
let folder: string;
beforeEach(async () => {
  bench = await startPairBench();
  folder = await mkdtemp(join(tmpdir(), 'sekai-sheet-'));
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const file = (): string => join(folder, 'sheet.jpg');
const sheet = (...args: string[]): Promise<Outcome> =>
  runCli(['contact-sheet', '--since', '24h', '--out', file(), ...args], bench.environment);

/** A JPEG of one colour. */
const plain = (background: string, width = 640, height = 480): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background } })
    .jpeg()
    .toBuffer();

/** Colour of the sheet at a place, as [red, green, blue]. */
async function colourAt(left: number, top: number): Promise<number[]> {
  const pixel = await sharp(file()).extract({ left, top, width: 1, height: 1 }).raw().toBuffer();
  return [...pixel];
}

describe('contact-sheet', () => {
  it('shows the latest images, newest first, to its owner alone', async () => {
    await bench.addPair(await plain('#ff0000'), 'a red one');
    await new Promise((resolve) => setTimeout(resolve, 10));
    await bench.addPair(await plain('#0000ff', 300, 900), 'a blue one');
    await writeFile(file(), 'an old sheet that others can read', { mode: 0o644 });
    const { code, stdout, stderr } = await sheet();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('all 2 images; prompts are personal data');
    expect((await stat(file())).mode & 0o777).toBe(0o600);
    const [blue, red] = [await colourAt(170, 226), await colourAt(490, 300)];
    expect(blue[2]).toBeGreaterThan(200);
    expect(blue[0]).toBeLessThan(60);
    expect(red[0]).toBeGreaterThan(200);
    expect(await readdir(folder)).toEqual(['sheet.jpg']);
  });

  it('draws the prompt of an image below it', async () => {
    await bench.addPair(await plain('#ff0000'), 'first words');
    await sheet();
    const first = await sharp(file())
      .extract({ left: 20, top: 380, width: 300, height: 24 })
      .raw()
      .toBuffer();
    expect(first.some((value) => value < 120)).toBe(true);
    await bench.addPair(await plain('#ff0000'), 'other words');
    await sheet();
    const second = await sharp(file())
      .extract({ left: 20, top: 380, width: 300, height: 24 })
      .raw()
      .toBuffer();
    expect(second.equals(first)).toBe(false);
  });

  it('takes prompts for text, whatever stands in them', async () => {
    const prompts = [
      '</text><image href="file:///etc/passwd"/>',
      '& " \' <',
      '\u202egnp.\u0000\u0007',
      '猫'.repeat(500),
      '',
    ];
    for (const [at, prompt] of prompts.entries())
      await bench.addPair(await plain('#00ff00', 40 + at), prompt);
    expect(await sheet()).toMatchObject({ code: 0, stderr: '' });
  });

  it('leaves a gap for what cannot be shown', async () => {
    await bench.addPair(Buffer.from('no image at all'), 'a prompt');
    const gone = await bench.addPair(await plain('#ff0000'));
    await bench.s3.objects.delete(bench.bucket, pairKeys(bench.prefix, gone).record);
    expect(await sheet()).toMatchObject({ code: 0, stderr: '' });
    expect((await sharp(file()).metadata()).format).toBe('jpeg');
  });

  it('keeps to --limit, and says how many there are', async () => {
    for (let at = 0; at < 4; at += 1) await bench.addPair(await plain('#ff0000', 100 + at));
    expect((await sheet('--limit', '2')).stdout).toContain('the latest 2 of 4 images');
  });

  it('says that there is nothing, and writes nothing', async () => {
    expect(await sheet()).toMatchObject({
      code: 1,
      stderr: 'no image under s3://test-bucket/customers/test/ since 24h\n',
    });
    await expect(readFile(file())).rejects.toThrow('ENOENT');
  });

  it('names the cure when the bucket cannot be read', async () => {
    const environment = { ...bench.environment, AWS_SECRET_ACCESS_KEY: 'wrong' };
    const { code, stderr } = await runCli(['contact-sheet', '--since', '1h', '--out', file()], environment);
    expect(stderr).toContain('check AWS_SECRET_ACCESS_KEY');
    expect(code).toBe(2);
  });

  it('refuses ages and limits it does not understand', async () => {
    for (const args of [['--since', 'yesterday'], ['--since', '0h'], ['--since', '1h', '--limit', '0'], []]) {
      expect((await runCli(['contact-sheet', ...args], bench.environment)).code).toBe(64);
    }
    expect(readSince('90m')).toEqual({ ms: 5_400_000, text: '90m' });
  });

  it('says so where the machine has no fonts', async () => {
    await bench.addPair(await plain('#ff0000'), 'a prompt');
    await mkdir(join(folder, 'none'));
    const fonts = join(folder, 'fonts.conf');
    await writeFile(fonts, `<fontconfig><dir>${join(folder, 'none')}</dir></fontconfig>`);
    // Fontconfig reads its file once per process.
    const { stderr } = await promisify(execFile)(
      process.execPath,
      ['dist/sidecar/cli/main.js', 'contact-sheet', '--since', '1h', '--out', file()],
      { env: { ...bench.environment, FONTCONFIG_FILE: fonts } },
    );
    expect(stderr).toContain('no font on this machine');
    expect((await sharp(file()).metadata()).format).toBe('jpeg');
  });
});

describe('text on the sheet', () => {
  it('is wrapped at words, cut where there are none, and shortened at the end', () => {
    expect(wrapText('a calm sea at night', 10, 3)).toEqual(['a calm sea', 'at night']);
    expect(wrapText('one two three four five six', 9, 2)).toEqual(['one two', 'three…']);
    expect(wrapText('猫'.repeat(9), 8, 3)).toEqual(['猫猫猫猫', '猫猫猫猫', '猫']);
    expect(wrapText('', 10, 3)).toEqual([]);
  });

  it('cannot become markup or change the direction of a line', () => {
    expect(escapeXml('<a b="c">&\u202e\u0000')).toBe('&lt;a b=&quot;c&quot;&gt;&amp;  ');
  });
});

it('keeps no more of a list than it needs', async () => {
  const objects = Array.from({ length: 1000 }, (_, index) => ({
    key: `output-${index.toString(16).padStart(64, '0')}.jpg`,
    sizeBytes: 1,
    lastModified: new Date(1000 + ((index * 7) % 1000)),
  }));
  const list = (async function* () {
    yield* objects;
  })();
  const { images, total } = await newestImages(list, 'output-', new Date(1500), 3);
  expect(total).toBe(500);
  expect(images.map(({ archivedAt }) => archivedAt.getTime())).toEqual([1999, 1998, 1997]);
});
