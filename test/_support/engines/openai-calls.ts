/** Calls of the OpenAI adapter in front of a simulator; both are closed when the test ends. */
import { onTestFinished } from 'vitest';
import { checkWithEngine } from '../../../services/image-generation/check-with-engine.ts';
import type { OpenaiConfig } from '../../../services/image-generation/engines/openai/config.ts';
import type { EngineEvent, EngineJob, ImageEngine } from '../../../services/image-generation/image-engine.ts';
import { wireRequest } from '../wire-request.ts';
import type { OpenaiSimulatorOptions } from './openai-simulator.ts';
import { openaiTrial } from './openai-trial.ts';

export type Fields = Parameters<typeof wireRequest>[0];

export const never = (): AbortSignal => new AbortController().signal;

export async function engineOn(simulated: OpenaiSimulatorOptions = {}, config: Partial<OpenaiConfig> = {}) {
  const trial = await openaiTrial(simulated, config);
  onTestFinished(() => trial.close());
  return trial;
}

/** The job that a request becomes, as in the service. */
export async function jobOf(engine: ImageEngine, fields: Fields = {}): Promise<EngineJob> {
  return (await checkWithEngine(wireRequest(fields), engine, never())).job;
}

export async function eventsOf(engine: ImageEngine, job: EngineJob): Promise<EngineEvent[]> {
  const events: EngineEvent[] = [];
  for await (const event of engine.generate(job, never())) events.push(event);
  return events;
}

export async function imageOf(engine: ImageEngine, fields: Fields = {}) {
  const image = (await eventsOf(engine, await jobOf(engine, fields))).at(-1);
  if (image?.type !== 'image') throw new Error('no image');
  return image;
}
