import { expect, it } from 'vitest';
import { createAttempts } from './attempts.ts';

it('counts attempts per hash and forgets the hash counted longest ago', () => {
  const attempts = createAttempts(2);
  expect(attempts.count('a')).toBe(1);
  expect(attempts.count('b')).toBe(1);
  expect(attempts.count('a')).toBe(2);
  attempts.count('c');
  expect(attempts.count('a')).toBe(3);
  expect(attempts.count('b')).toBe(1);
  attempts.forget('a');
  expect(attempts.count('a')).toBe(1);
});
