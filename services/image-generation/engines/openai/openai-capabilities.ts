import type { EngineCapabilities, EngineModel } from '../../image-engine.ts';
import type { Dialect } from './dialects.ts';
import type { ListedModel } from './listed-models.ts';
import { modelRules } from './model-rules.ts';

/** Name of the one model of an engine that lists none; it is not sent. */
export const UNNAMED_MODEL = 'default';

/** What an engine of this dialect can do with these models and LoRAs. */
export function openaiCapabilities(
  dialect: Dialect,
  models: readonly ListedModel[],
  loras: ReadonlyMap<string, string>,
): EngineCapabilities {
  const { seed, steps, guidance, maxDimension, maxPixels, dimensionMultiple } = dialect;
  const [first = { id: UNNAMED_MODEL, defaults: {} }, ...others] = models;
  return {
    models: [engineModel(first, dialect), ...others.map((model) => engineModel(model, dialect))],
    loras: [...loras.keys()].map((name) => ({ name, description: '' })),
    samplers: [],
    supportsTextEncoderStrength: false,
    supportsSeed: seed !== undefined,
    ...(seed === undefined ? {} : { maxSeed: seed.max }),
    takesNegativePrompt: dialect.negativePrompt !== 'none',
    minDimension: Math.max(64, dimensionMultiple),
    maxDimension,
    maxPixels,
    maxSteps: steps?.max ?? 0,
    maxGuidanceScale: guidance?.max ?? 0,
    maxLoras: loras.size === 0 ? 0 : dialect.maxLoras,
    maxLoraStrength: 2,
  };
}

function engineModel({ id, defaults }: ListedModel, dialect: Dialect): EngineModel {
  const { dimensionMultiple, negativePrompt, guidance } = dialect;
  const { defaultWidth, defaultHeight, sizeFault } = modelRules(id, dialect);
  return {
    name: id,
    dimensionMultiple,
    defaultWidth: defaults.width ?? defaultWidth,
    defaultHeight: defaults.height ?? defaultHeight,
    defaultSteps: defaults.steps ?? 0,
    defaultGuidanceScale: defaults.guidanceScale ?? 0,
    supportsNegativePrompt: negativePrompt !== 'none',
    supportsGuidanceScale: guidance !== undefined,
    ...(sizeFault === undefined ? {} : { sizeFault }),
  };
}
