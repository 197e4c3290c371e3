/** Calls of the OpenAI adapter in front of a simulator; both are closed when the test ends. */
import { onTestFinished } from 'vitest';
import type { OpenaiConfig } from '../../../services/image-generation/engines/openai/config.ts';
import type { ImageEngine } from '../../../services/image-generation/image-engine.ts';
import { eventsOf, type Fields, jobOf } from './engine-calls.ts';
import type { OpenaiSimulatorOptions } from './openai-simulator.ts';
import { openaiTrial } from './openai-trial.ts';

export async function engineOn(simulated: OpenaiSimulatorOptions = {}, config: Partial<OpenaiConfig> = {}) {
  const trial = await openaiTrial(simulated, config);
  onTestFinished(() => trial.close());
  return trial;
}

export async function imageOf(engine: ImageEngine, fields: Fields = {}) {
  const image = (await eventsOf(engine, await jobOf(engine, fields))).at(-1);
  if (image?.type !== 'image') throw new Error('no image');
  return image;
}
