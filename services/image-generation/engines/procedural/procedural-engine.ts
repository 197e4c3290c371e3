import { EngineError } from '../../errors.ts';
import type { EngineEvent, EngineJob, ImageEngine } from '../../image-engine.ts';
import { PROCEDURAL_CAPABILITIES } from './capabilities.ts';
import { createPaintingFrame } from './frame.ts';
import { createPainting } from './painting.ts';
import { renderPreview } from './preview.ts';
import { composeScene } from './scene.ts';
import { createTurns, type Turns } from './turns.ts';

/** Previews of one job at most. */
const MAX_PREVIEWS = 8;

/**
 * The built-in engine: paints stylised landscapes, skies and abstract backgrounds without any model or network.
 *
 * The same prompt, negative prompt, seed, size, steps, guidance scale and LoRAs give the same pixels, whatever
 * else runs. What acts: the prompt (scene, time, weather, mood, colours; all of its words choose the
 * composition), the negative prompt (its words are not drawn), the seed (composition), steps (layers and
 * detail), guidance (how strongly words pull the colours), LoRAs in order with their strength. The text-encoder
 * strength and the sampler do not act.
 */
export function createProceduralEngine(): ImageEngine {
  const turns = createTurns();
  return {
    name: 'procedural',
    capabilities: async () => PROCEDURAL_CAPABILITIES,
    generate: (job, signal) => generate(job, signal, turns),
  };
}

async function* generate(
  job: EngineJob,
  signal: AbortSignal,
  turns: Turns,
): AsyncGenerator<EngineEvent, void, undefined> {
  try {
    signal.throwIfAborted();
    const studio = {
      scene: composeScene(job),
      frame: createPaintingFrame(job.width, job.height),
      turns,
      signal,
    };
    const painting = createPainting(studio, job);
    for (let step = 0; step < job.steps; step++) {
      await painting.paint(step);
      signal.throwIfAborted();
      yield {
        type: 'progress',
        stage: 'sampling',
        step: step + 1,
        totalSteps: job.steps,
        fraction: (step + 1) / job.steps,
      };
      if (job.includePreviews && isPreviewStep(step, job.steps)) {
        const data = await renderPreview(await painting.canvas());
        signal.throwIfAborted();
        yield { type: 'preview', mediaType: 'image/jpeg', data, step: step + 1 };
      }
    }
    const { data } = await painting.canvas();
    const image = { kind: 'pixels', data, width: job.width, height: job.height } as const;
    yield { type: 'image', image, seed: job.seed, warnings: [] };
  } catch (cause) {
    signal.throwIfAborted();
    throw cause instanceof EngineError
      ? cause
      : new EngineError('FAILED', 'the picture could not be drawn', { cause });
  }
}

/** Evenly spread, at most MAX_PREVIEWS, never the last step: the image itself follows that one. */
function isPreviewStep(step: number, steps: number): boolean {
  const stride = Math.ceil(steps / MAX_PREVIEWS);
  return step < steps - 1 && (step + 1) % stride === 0;
}
