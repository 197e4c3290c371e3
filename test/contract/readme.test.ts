import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { imageGenerationVariables } from '../../services/image-generation/config.ts';
import { archiverVariables } from '../../sidecar/config.ts';

const readme = readFileSync(join(import.meta.dirname, '..', '..', 'README.md'), 'utf8');
const rows = readme.split('\n').filter((line) => line.startsWith('| `'));

const variables = { ...archiverVariables.shape, ...imageGenerationVariables.shape };

test.each(Object.keys(variables))('the README explains %s', (name) => {
  expect(readme).toContain(`\`${name}\``);
});

const defaults = Object.entries(variables).flatMap(([name, schema]) => {
  const { defaultValue } = schema.def as { defaultValue?: string };
  // A folder of the machine's is explained in words.
  return defaultValue === undefined || name === 'SPOOL_DIR' ? [] : [[name, defaultValue] as const];
});

test('most variables have a default', () => expect(defaults.length).toBeGreaterThan(15));

test.each(defaults)('the README says that %s is %s by default', (name, defaultValue) => {
  expect(rows.find((line) => line.startsWith(`| \`${name}\` |`))).toContain(`\`${defaultValue}\``);
});

test('the README names no variable that does not exist', () => {
  const named = rows.flatMap((line) => /^\| `([A-Z][A-Z0-9_]+)` \|/.exec(line)?.[1] ?? []);
  expect(named.filter((name) => !(name in variables))).toEqual([]);
});
