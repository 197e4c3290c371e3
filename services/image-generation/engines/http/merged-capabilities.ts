import type { EngineCapabilities, EngineJob, EngineModel } from '../../image-engine.ts';

/**
 * What several engines have together: every model, LoRA and sampler of any, the limits that hold for all. Jobs go
 * to an engine that has what they name: see {@link offers}.
 */
export function mergedCapabilities(
  all: readonly [EngineCapabilities, ...EngineCapabilities[]],
): EngineCapabilities {
  const [first, ...others] = all;
  if (others.length === 0) return first;
  const least = (of: (capabilities: EngineCapabilities) => number): number => Math.min(...all.map(of));
  const models = new Map<string, EngineModel>();
  const loras = new Map<string, { readonly name: string; readonly description: string }>();
  for (const capabilities of all) {
    for (const model of capabilities.models) if (!models.has(model.name)) models.set(model.name, model);
    for (const lora of capabilities.loras) if (!loras.has(lora.name)) loras.set(lora.name, lora);
  }
  const [model = first.models[0], ...moreModels] = models.values();
  const maxSeed = least((engine) => engine.maxSeed ?? 2 ** 32 - 1);
  return {
    models: [model, ...moreModels],
    loras: [...loras.values()],
    samplers: [...new Set(all.flatMap(({ samplers }) => samplers))],
    supportsTextEncoderStrength: all.every((engine) => engine.supportsTextEncoderStrength),
    supportsSeed: all.every((engine) => engine.supportsSeed ?? true),
    maxSeed,
    takesNegativePrompt: all.every((engine) => engine.takesNegativePrompt ?? true),
    minDimension: Math.max(...all.map((engine) => engine.minDimension)),
    maxDimension: least((engine) => engine.maxDimension),
    maxPixels: least((engine) => engine.maxPixels),
    maxSteps: least((engine) => engine.maxSteps),
    maxGuidanceScale: least((engine) => engine.maxGuidanceScale),
    maxLoras: least((engine) => engine.maxLoras),
    maxLoraStrength: least((engine) => engine.maxLoraStrength),
  };
}

/** Whether an engine has everything a job names. */
export function offers({ models, loras, samplers }: EngineCapabilities, job: EngineJob): boolean {
  return (
    models.some(({ name }) => name === job.model) &&
    job.loras.every((wanted) => loras.some(({ name }) => name === wanted.name)) &&
    (job.sampler === '' || samplers.includes(job.sampler))
  );
}
