import type { EngineCapabilities } from '../../image-engine.ts';
import { NORMAL_GUIDANCE } from './scene.ts';
import { STYLES } from './styles/all-styles.ts';

export const MODEL_NAME = 'procedural-landscape-v1';

const MAX_SIDE = 4096;

/** What the procedural engine has; it never changes. */
export const PROCEDURAL_CAPABILITIES: EngineCapabilities = {
  models: [
    {
      name: MODEL_NAME,
      dimensionMultiple: 8,
      defaultWidth: 1024,
      defaultHeight: 1024,
      defaultSteps: 12,
      defaultGuidanceScale: NORMAL_GUIDANCE,
      supportsNegativePrompt: true,
      supportsGuidanceScale: true,
    },
  ],
  loras: STYLES.map(({ name, description }) => ({ name, description })),
  samplers: [],
  supportsTextEncoderStrength: false,
  minDimension: 64,
  maxDimension: MAX_SIDE,
  maxPixels: MAX_SIDE * MAX_SIDE,
  maxSteps: 50,
  maxGuidanceScale: 20,
  maxLoras: 8,
  maxLoraStrength: 2,
};
