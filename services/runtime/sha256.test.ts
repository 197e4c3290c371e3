import { createHash, randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { sha256 } from './sha256.ts';

it('hashes all slices and lets other work run between them', async () => {
  const bytes = randomBytes(3 * 1024 * 1024 + 7);
  let turns = 0;
  const count = (): void => {
    turns += 1;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  const hash = await sha256(bytes);
  clearImmediate(timer);
  expect(Buffer.from(hash).toString('hex')).toBe(createHash('sha256').update(bytes).digest('hex'));
  expect(turns).toBeGreaterThanOrEqual(3);
});
