import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { generatedFiles } from '../../deploy/dev/generated-files.ts';

const root = join(import.meta.dirname, '..', '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

test.each(Object.entries(generatedFiles(read)))('%s is up to date', (path, wanted) => {
  expect(read(path) === wanted, 'npm run build && node dist/deploy/dev/write-generated.js').toBe(true);
});
