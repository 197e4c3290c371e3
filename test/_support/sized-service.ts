/** The image service as a process, with the test-only engine of sized images in the engine's place. */
import { imageGenerationConfig } from '../../services/image-generation/config.ts';
import { startImageGeneration } from '../../services/image-generation/image-generation.ts';
import { runUntilSignal } from '../../services/runtime/lifecycle.ts';
import { createSizedEngine, createSizedImages, passThroughEncoder } from './sized-image.ts';

const engine = createSizedEngine(await createSizedImages());
await runUntilSignal(() =>
  startImageGeneration(imageGenerationConfig(process.env), { engine, encoder: passThroughEncoder }),
);
