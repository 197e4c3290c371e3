/** Test-only engine: seeded noise, so that a JPEG's size follows from its dimensions, and pauses on command. */
import type {
  EngineCapabilities,
  EngineEvent,
  EngineJob,
  ImageEngine,
} from '../../services/image-generation/image-engine.ts';

export interface NoiseEngineOptions {
  /** Steps per job; each waits for `beforeStep`. */
  readonly steps?: number;
  /** Called before each step; a test holds the job by not resolving. Must honour the signal. */
  readonly beforeStep?: (job: EngineJob, step: number, signal: AbortSignal) => Promise<void>;
  /** Bytes of the preview after each step; none without. */
  readonly previewBytes?: (step: number) => number;
  /** Called once a job's generator has ended, however it ended. */
  readonly onEnd?: (job: EngineJob, aborted: boolean) => void;
  /** Replaces the image event, to misbehave. */
  readonly image?: (job: EngineJob) => EngineEvent | Promise<EngineEvent>;
  /** Replaces some of the capabilities. */
  readonly capabilities?: Partial<EngineCapabilities>;
}

const CAPABILITIES: EngineCapabilities = {
  models: [
    {
      name: 'noise',
      dimensionMultiple: 8,
      defaultWidth: 256,
      defaultHeight: 256,
      defaultSteps: 4,
      defaultGuidanceScale: 0,
      supportsNegativePrompt: false,
      supportsGuidanceScale: false,
    },
  ],
  loras: [{ name: 'grain', description: 'more noise' }],
  samplers: ['euler'],
  supportsTextEncoderStrength: false,
  minDimension: 16,
  maxDimension: 4096,
  maxPixels: 4096 * 4096,
  maxSteps: 50,
  maxGuidanceScale: 30,
  maxLoras: 4,
  maxLoraStrength: 2,
};

export function createNoiseEngine(options: NoiseEngineOptions = {}): ImageEngine {
  const steps = options.steps ?? 2;
  return {
    name: 'noise',
    capabilities: async () => ({ ...CAPABILITIES, ...options.capabilities }),
    async *generate(job, signal) {
      try {
        for (let step = 1; step <= steps; step += 1) {
          await options.beforeStep?.(job, step, signal);
          signal.throwIfAborted();
          yield { type: 'progress', stage: 'sampling', step, totalSteps: steps, fraction: step / steps };
          const size = options.previewBytes?.(step);
          if (size !== undefined) {
            yield { type: 'preview', mediaType: 'image/jpeg', data: new Uint8Array(size), step };
          }
        }
        yield (await options.image?.(job)) ?? {
          type: 'image',
          image: { kind: 'pixels', data: noise(job), width: job.width, height: job.height },
          seed: job.seed,
          warnings: [],
        };
      } finally {
        options.onEnd?.(job, signal.aborted);
      }
    },
  };
}

/** xorshift32 over the pixels, seeded by the job's seed. */
function noise({ width, height, seed }: EngineJob): Uint8Array {
  const words = new Uint32Array(Math.ceil((width * height * 3) / 4));
  let state = (seed ^ 0x9e37_79b9) >>> 0 || 1;
  for (let index = 0; index < words.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state >>> 0;
  }
  return new Uint8Array(words.buffer, 0, width * height * 3);
}
