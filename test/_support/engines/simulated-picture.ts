import { createHash } from 'node:crypto';
import sharp from 'sharp';
import type { SimulatedJob } from './engine-simulator.ts';

/** A PNG that follows from everything a job says: the same job gives the same bytes, another one another picture. */
export async function simulatedPicture(job: SimulatedJob, shown = { done: 1 }): Promise<Buffer> {
  const { width, height, prompt, negativePrompt, seed, steps, guidanceScale, sampler, model, loras } = job;
  const recipe = { prompt, negativePrompt, seed, steps, guidanceScale, sampler, model, loras };
  const digest = createHash('sha256').update(JSON.stringify(recipe)).digest();
  const level = (index: number): number => digest[index % digest.length] ?? 0;
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        const slope = (level(channel) * x) / width + (level(channel + 3) * y) / height;
        const tile = level(6 + ((x >> 3) % 8) + 3 * ((y >> 3) % 5)) >> 3;
        pixels[(y * width + x) * 3 + channel] = ((slope / 2 + tile) * shown.done) & 0xff;
      }
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}
