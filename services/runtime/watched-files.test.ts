import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type WatchedFiles, watchFiles } from './watched-files.ts';

let directory: string;
let seen: string[];
let faults: unknown[];
let watched: WatchedFiles<string> | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sekai-watched-'));
  [seen, faults] = [[], []];
});
afterEach(async () => {
  watched?.close();
  await rm(directory, { recursive: true });
});

const path = (name: string): string => join(directory, name);
const happens = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 10_000 });

async function watch(...names: string[]): Promise<string> {
  watched = await watchFiles({
    paths: names.map(path),
    parse(contents) {
      const text = contents.map(String).join('+');
      if (/bad|ENOENT|larger/.test(text)) throw new Error(text);
      return text;
    },
    onChange: (text) => seen.push(text),
    onFault: (error) => faults.push(error),
    intervalMs: 10,
  });
  return watched.initial;
}

test('tells every new content of files that belong together, once', async () => {
  await Promise.all([writeFile(path('a'), '1'), writeFile(path('b'), '1')]);
  expect(await watch('a', 'b')).toBe('1+1');
  await writeFile(path('a'), '2');
  await happens(() => expect(seen).toEqual(['2+1']));
  await writeFile(path('new'), '3');
  await rename(path('new'), path('b'));
  await happens(() => expect(seen).toEqual(['2+1', '2+3']));
  expect(faults).toEqual([]);
});

test('content that cannot be used is told once, and the way back is a change', async () => {
  await writeFile(path('a'), '1');
  await watch('a');
  await rm(path('a'));
  await happens(() => expect(faults).toHaveLength(1));
  await writeFile(path('a'), 'bad');
  await happens(() => expect(faults).toHaveLength(2));
  await writeFile(path('a'), Buffer.alloc(1024 * 1024 + 1));
  await happens(() => expect(faults).toHaveLength(3));
  expect(seen).toEqual([]);
  await writeFile(path('a'), '1');
  await happens(() => expect(seen).toEqual(['1']));
  expect(faults).toHaveLength(3);
});

test('files that cannot be used at first are a failure', async () => {
  await expect(watch('nowhere')).rejects.toThrow('ENOENT');
});
