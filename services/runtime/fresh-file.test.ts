import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { freshFile } from './fresh-file.ts';

let path: string;
beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), 'fresh-')), 'secret');
});
afterEach(() => rmSync(join(path, '..'), { recursive: true }));

test('a new content counts at once', () => {
  writeFileSync(path, 'one');
  const secret = freshFile(path, () => true);
  expect(secret()).toBe('one');
  writeFileSync(path, 'two');
  expect(secret()).toBe('two');
});

test('the last good content stands while the file is empty, or gone', () => {
  writeFileSync(path, 'one');
  const secret = freshFile(path, (content) => content !== '');
  expect(secret()).toBe('one');
  writeFileSync(path, '');
  expect(secret()).toBe('one');
  rmSync(path);
  expect(secret()).toBe('one');
});
