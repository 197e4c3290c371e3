/** How the suite asks an engine and looks at what comes. */
import sharp from 'sharp';
import { checkWithEngine } from '../../services/image-generation/check-with-engine.ts';
import { createSharpImageEncoder } from '../../services/image-generation/encoding/sharp-image-encoder.ts';
import { EngineError, type EngineFailure } from '../../services/image-generation/errors.ts';
import type { EngineEvent, EngineJob, ImageEngine } from '../../services/image-generation/image-engine.ts';
import { eventsOf, never } from '../_support/engines/engine-calls.ts';
import { wireRequest } from '../_support/wire-request.ts';

/** No log line and no error may hold it. */
export const PROMPT = 'a lighthouse that no log may name, at dusk';
export const WAIT = { timeout: 10_000, interval: 10 };
export const encoder = createSharpImageEncoder();

/** The job that a request becomes, as in the service. */
export async function jobOf(
  engine: ImageEngine,
  fields: Parameters<typeof wireRequest>[0] = {},
): Promise<EngineJob> {
  const { models, maxSteps } = await engine.capabilities(never());
  const side = Math.ceil(64 / models[0].dimensionMultiple) * models[0].dimensionMultiple;
  const wire = wireRequest({ prompt: PROMPT, width: side * 2, height: side, ...fields });
  // A job that shall take its time says so in steps, where there are any.
  if (maxSteps === 0) wire.steps = undefined;
  return (await checkWithEngine(wire, engine, never())).job;
}

type ImageEvent = Extract<EngineEvent, { type: 'image' }>;

export const imageOf = (events: readonly EngineEvent[]): ImageEvent => {
  const last = events.at(-1);
  if (last?.type !== 'image') throw new Error(`the last event is ${last?.type ?? 'missing'}`);
  return last;
};

/** The picture as the service takes it: decoded, of the job's size. Rejects as the call would end. */
export async function pictureOf(engine: ImageEngine, job: EngineJob, signal = never()): Promise<Buffer> {
  const { image } = imageOf(await eventsOf(engine, job, signal));
  const png = await encoder.encode(image, 'png', 0);
  if (png.width !== job.width || png.height !== job.height) {
    throw new EngineError('BAD_RESPONSE', `${png.width} x ${png.height}`);
  }
  return sharp(png.bytes).raw().toBuffer();
}

export const failureOf = (error: unknown): EngineFailure | undefined =>
  error instanceof EngineError ? error.failure : undefined;

/** What it is rejected with; undefined when it is not. */
export const rejection = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );
