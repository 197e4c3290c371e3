import fc from 'fast-check';
import { expect, it } from 'vitest';
import { colour, mix, toHex, toRgb } from './colour.ts';

it('converts known colours', () => {
  // Values of CSS Color 4's sample code.
  expect(toHex(colour(0.62796, 0.25768, 29.234))).toBe('#ff0000');
  expect(toHex(colour(0.45201, 0.31321, 264.052))).toBe('#0000ff');
  expect(toHex(colour(1, 0, 0))).toBe('#ffffff');
});

it('stays inside sRGB for every colour and mixture', () => {
  const colours = fc
    .tuple(
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 0.5, noNaN: true }),
      fc.integer(),
    )
    .map(([l, c, h]) => colour(l, c, h % 720));
  fc.assert(
    fc.property(colours, colours, fc.double({ min: 0, max: 1, noNaN: true }), (a, b, share) => {
      expect(toRgb(mix(a, b, share)).every((channel) => channel >= 0 && channel <= 1)).toBe(true);
    }),
  );
});
