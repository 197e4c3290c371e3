import { runUntilSignal } from '../runtime/lifecycle.ts';
import { imageGenerationConfig } from './config.ts';
import {
  startImageGeneration,
  STOP_CALLS_MS,
  STOP_ENCODING_MS,
  STOP_HANDOFF_MS,
  STOP_TRACES_MS,
} from './image-generation.ts';

await runUntilSignal(() => startImageGeneration(imageGenerationConfig(process.env)), {
  stopDeadlineMs: STOP_CALLS_MS + STOP_ENCODING_MS + STOP_HANDOFF_MS + STOP_TRACES_MS + 5_000,
});
