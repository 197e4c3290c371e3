import sharp from 'sharp';
import { expect, it } from 'vitest';
import { createSizedImages, MAX_SIZE_BYTES, MIN_SIZE_BYTES, sizeOf } from './sized-image.ts';

it('makes decodable JPEGs of exactly the seeded size, the same for the same seed', async () => {
  const imageOf = await createSizedImages();
  for (let seed = 1; seed <= 60; seed += 1) {
    const image = imageOf(seed);
    expect(image.length).toBe(sizeOf(seed));
    expect(image.equals(imageOf(seed))).toBe(true);
    expect((await sharp(image, { failOn: 'warning' }).raw().toBuffer()).length).toBe(64 * 64 * 3);
    expect(image.equals(imageOf(seed + 1_000))).toBe(false);
  }
});

it('spreads sizes from 20 KB to 10 MB', () => {
  const sizes = Array.from({ length: 5_000 }, (_, seed) => sizeOf(seed));
  expect(Math.min(...sizes)).toBeGreaterThanOrEqual(MIN_SIZE_BYTES);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_SIZE_BYTES);
  expect(Math.max(...sizes)).toBeGreaterThan(9_500_000);
  expect(sizes.filter((size) => size < 500_000).length / sizes.length).toBeCloseTo(0.8, 1);
});
