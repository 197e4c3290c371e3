import fc from 'fast-check';
import { expect, test } from 'vitest';
import { writtenFloat32 } from './float32.ts';

test('a float32 is given back as it was written', () => {
  for (const written of [0, 0.8, -1.5, 7, 7.25, 0.1, 30, 1e-7, 2 ** 24]) {
    expect(writtenFloat32(Math.fround(written))).toBe(written);
  }
});

test('whatever it gives back is the same float32', () => {
  fc.assert(
    fc.property(
      fc.float({ noNaN: true, noDefaultInfinity: true }).filter((value) => value !== 0),
      (value) => {
        expect(Math.fround(writtenFloat32(value))).toBe(value);
      },
    ),
  );
});
