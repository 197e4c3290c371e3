import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const runbook = read('deploy/runbook.md');

/** Words of a union of string literals in TypeScript. */
function wordsOf(path: string, type: string): string[] {
  const union = new RegExp(`export type ${type} =([^;]*);`).exec(read(path))?.[1] ?? '';
  return [...union.matchAll(/'([\w-]+)'/g)].flatMap(([, word]) => word ?? []);
}

const reasons = wordsOf('proto/archive-event.ts', 'EventFaultReason');
const kinds = wordsOf('sidecar/object-store.ts', 'TargetFaultKind');

test('there are reasons and kinds to explain', () => {
  expect(reasons).toContain('HASH_MISMATCH');
  expect(kinds).toContain('credentials');
});

test.each([...reasons, ...kinds])('the runbook explains %s', (word) => {
  expect(runbook).toContain(`\`${word}\``);
});

/** Texts of warnings and errors, each up to where a value is put in. */
const lines = ['sidecar', 'services/image-generation/handoff']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { encoding: 'utf8', recursive: true }).map((path) => join(folder, path)),
  )
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts') && !path.includes('/testing/'))
  .flatMap((path) => [...read(path).matchAll(/\blog(?:ger)?\s*\.(?:warn|error)\(([\s\S]*?)\);\n/g)])
  .flatMap(
    ([, call = '']) =>
      [...call.matchAll(/(?:'([A-Za-z][^'$]{14,})|`([A-Za-z][^`$]{14,})|"([A-Za-z][^"$]{14,})")/g)]
        .at(-1)
        ?.slice(1)
        .join('')
        ?.trim() ?? [],
  );

test('there are lines to explain', () => expect(lines.length).toBeGreaterThan(15));

test.each([...new Set(lines)])('the runbook explains the line "%s"', (line) => {
  expect(runbook).toContain(line.slice(0, 40));
});
