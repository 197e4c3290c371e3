/** How the tests of every adapter ask their engine. */
import { checkWithEngine } from '../../../services/image-generation/check-with-engine.ts';
import type { EngineEvent, EngineJob, ImageEngine } from '../../../services/image-generation/image-engine.ts';
import { wireRequest } from '../wire-request.ts';

export type Fields = Parameters<typeof wireRequest>[0];

/** A caller who stays. */
export const never = (): AbortSignal => new AbortController().signal;

/** The job that a request becomes, as in the service. */
export async function jobOf(engine: ImageEngine, fields: Fields = {}): Promise<EngineJob> {
  return (await checkWithEngine(wireRequest(fields), engine, never())).job;
}

/** A job of 64 x 64 pixels, unless `fields` want another size. */
export const smallJobOf = (engine: ImageEngine, fields: Fields = {}): Promise<EngineJob> =>
  jobOf(engine, { width: 64, height: 64, ...fields });

/** A LoRA as a request names it. */
export const lora = (name: string, strength: number, textEncoderStrength?: number) => ({
  name,
  strength,
  textEncoderStrength,
});

/** Everything a job brings, to its end. */
export async function eventsOf(
  engine: ImageEngine,
  job: EngineJob,
  signal = never(),
): Promise<EngineEvent[]> {
  const events: EngineEvent[] = [];
  for await (const event of engine.generate(job, signal)) events.push(event);
  return events;
}
