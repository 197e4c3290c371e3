/** The image service as a process, all of it, with the engine of ready bytes in the engine's place. */
import { imageGenerationConfig } from '../../../services/image-generation/config.ts';
import { startImageGeneration } from '../../../services/image-generation/image-generation.ts';
import { runUntilSignal } from '../../../services/runtime/lifecycle.ts';
import { createFixedImageEngine, fixedBytes, passThroughEncoder } from './fixed-image.ts';

const bytes = fixedBytes(Number(process.env['BENCH_IMAGE_BYTES']));
const engine = createFixedImageEngine(bytes, process.env['BENCH_DISTINCT'] === 'true');
await runUntilSignal(() =>
  startImageGeneration(imageGenerationConfig(process.env), { engine, encoder: passThroughEncoder }),
);
