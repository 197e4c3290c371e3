import { runUntilSignal } from '../runtime/lifecycle.ts';
import { imageGenerationConfig } from './config.ts';
import { startImageGeneration } from './image-generation.ts';

await runUntilSignal(() => startImageGeneration(imageGenerationConfig(process.env)));
