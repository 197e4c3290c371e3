import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { countStolenTime } from './stolen-time.ts';

test('tells the part of the CPU that the host has given to others', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'stolen-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const stat = join(directory, 'stat');
  await writeFile(stat, 'cpu  100 0 100 700 0 0 0 100 50 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n');
  const stolen = countStolenTime(stat);
  await writeFile(stat, 'cpu  150 0 100 800 0 0 0 150 50 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n');
  expect(stolen()).toBe('25.0 %');
});

test('says nothing where the kernel does not tell', () => {
  expect(countStolenTime('/nowhere/stat')()).toBeUndefined();
});
