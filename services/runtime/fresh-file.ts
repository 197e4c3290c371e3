import { readFileSync } from 'node:fs';

/**
 * Reads a small file anew at each call, so that it can be rotated. While it cannot be read or `isUsable` says no, as
 * in the middle of a rotation, the last good content stands: whoever asks has nobody to tell.
 */
export function freshFile(path: string, isUsable: (content: string) => boolean): () => string {
  let good = '';
  return () => {
    try {
      const content = readFileSync(path, 'utf8');
      if (isUsable(content)) good = content;
    } catch {
      // The last good content stands.
    }
    return good;
  };
}
