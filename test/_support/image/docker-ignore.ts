/** Which files of the repository reach the build, by .dockerignore: the last pattern that fits decides. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Paths of the build context, relative to `root`. */
export function contextFiles(root: string): string[] {
  const patterns = readFileSync(join(root, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ keeps: line.startsWith('!'), fits: expression(line.replace(/^!/, '')) }));
  const isKept = (path: string): boolean => patterns.findLast(({ fits }) => fits.test(path))?.keeps ?? true;
  const list = (folder: string): string[] =>
    readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      // None of our patterns takes back a part of what another one leaves out as a whole.
      if (!isKept(path)) return [];
      return entry.isDirectory() ? list(path) : entry.isFile() ? [path] : [];
    });
  return list('');
}

/** Fits the path itself and everything below it. */
function expression(pattern: string): RegExp {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('**/', '\0')
    .replaceAll('*', '[^/]*')
    .replaceAll('\0', '(?:.*/)?');
  return new RegExp(`^${source}(?:/|$)`);
}
