import { engineError } from '../http/engine-failure.ts';
import { at, listAt, numberAt, textAt } from '../http/json-reading.ts';
import type { SdCppDialect } from './dialect.ts';
import { namedLoras } from './named-loras.ts';
import { samplerChoices } from '../http/sampler-choices.ts';

/** sd-server rounds sizes up to this; what it rounds would be another picture. */
const MULTIPLE = 64;
/** The server dies of sizes its memory cannot hold (uncaught bad_alloc), so its own limit of 4096 is not believed. */
const MAX_SIDE = 2_048;
/** sd-server cuts silently to this. */
const MAX_STEPS = 100;

/** Reads `GET /sdcpp/v1/capabilities`. @throws {EngineError} BAD_RESPONSE. */
export function sdCppCapabilities(value: unknown): SdCppDialect {
  const model = textAt(value, 'model', 'name') ?? textAt(value, 'model', 'stem') ?? textAt(value, 'model');
  const modes = listAt(value, 'supported_modes');
  if (modes.length > 0 && !modes.includes('img_gen')) {
    throw engineError('BAD_RESPONSE', 'this sd-server makes no images');
  }
  const defaults = at(value, 'defaults_by_mode', 'img_gen') ?? at(value, 'defaults');
  const strings = (field: string): string[] =>
    listAt(value, field).filter((name): name is string => typeof name === 'string');
  const preferred = textAt(defaults, 'sample_params', 'sample_method');
  const samplers = samplerChoices(strings('samplers'), strings('schedulers'), preferred);
  const loraPaths = namedLoras(listAt(value, 'loras'), 'path');
  const multipleOf = (side: number | undefined, fallback: number): number =>
    Math.min(MAX_SIDE, Math.max(MULTIPLE, Math.round((side ?? fallback) / MULTIPLE) * MULTIPLE));
  const limit = (side: string): number => numberAt(value, 'limits', side) ?? MAX_SIDE;
  const maxDimension = Math.min(MAX_SIDE, limit('max_width'), limit('max_height'));
  return {
    kind: 'sdcpp',
    loraPaths,
    samplers,
    capabilities: {
      models: [
        {
          name: model ?? 'default',
          dimensionMultiple: MULTIPLE,
          defaultWidth: multipleOf(numberAt(defaults, 'width'), 512),
          defaultHeight: multipleOf(numberAt(defaults, 'height'), 512),
          defaultSteps: Math.min(MAX_STEPS, numberAt(defaults, 'sample_params', 'sample_steps') ?? 20),
          defaultGuidanceScale: numberAt(defaults, 'sample_params', 'guidance', 'txt_cfg') ?? 7,
          supportsNegativePrompt: true,
          supportsGuidanceScale: true,
        },
      ],
      loras: [...loraPaths.keys()].map((name) => ({ name, description: '' })),
      samplers: [...samplers.keys()],
      supportsTextEncoderStrength: false,
      minDimension: MULTIPLE,
      maxDimension,
      maxPixels: maxDimension ** 2,
      maxSteps: MAX_STEPS,
      maxGuidanceScale: 30,
      maxLoras: loraPaths.size === 0 ? 0 : 8,
      maxLoraStrength: 2,
    },
  };
}
