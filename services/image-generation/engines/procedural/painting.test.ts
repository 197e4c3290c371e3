import { expect, it } from 'vitest';
import { createFrame, createPaintingFrame } from './frame.ts';
import { createPainting } from './painting.ts';
import { composeScene } from './scene.ts';
import { createTurns } from './turns.ts';

it('paints pictures up to 4K UHD in their own size, larger ones smaller and of the same shape', () => {
  expect(createPaintingFrame(3840, 2160)).toMatchObject({ width: 3840, height: 2160 });
  const { width, height } = createPaintingFrame(4096, 2048 + 1024);
  expect(width * height).toBeLessThan(8_410_000);
  expect(width / height).toBeCloseTo(4 / 3, 2);
});

it('scales a picture painted smaller up to the size asked for in the last step', async () => {
  const job = {
    requestId: '',
    prompt: 'pine forest and lake at sunset',
    negativePrompt: '',
    model: '',
    width: 200,
    height: 120,
    seed: 3,
    steps: 2,
    guidanceScale: 7,
    sampler: '',
    loras: [{ name: 'watercolor', strength: 1, textEncoderStrength: 1 }],
    includePreviews: false,
  };
  const { signal } = new AbortController();
  const studio = { scene: composeScene(job), frame: createFrame(100, 60), turns: createTurns(), signal };
  const painting = createPainting(studio, job);
  await painting.paint(0);
  expect(await painting.canvas()).not.toMatchObject({ width: 200 });
  await painting.paint(1);
  const { data, ...size } = await painting.canvas();
  expect(size).toEqual({ width: 200, height: 120 });
  expect(data).toHaveLength(200 * 120 * 3);
});
