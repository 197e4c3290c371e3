/** From the wire's request to a checked, fully resolved one. Every violation is reported at once. */
import { randomInt, randomUUID } from 'node:crypto';
import { isCanonicalUuid } from '../../proto/archive-event.ts';
import {
  type GenerateImageRequest,
  ImageEncoding,
  ResponseFormat,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { NotFoundError, unsupported } from './errors.ts';
import type { EngineCapabilities, EngineJob, EngineModel, GenerationWarning } from './image-engine.ts';
import type { ImageFormat } from './image-encoder.ts';
import { Faults } from './request-faults.ts';
import { writtenFloat32 } from './float32.ts';
import { checkDimensions, checkNumber } from './request-numbers.ts';
import { checkLabels, checkLoras, checkText } from './request-texts.ts';

export { REQUEST_LIMITS } from './request-texts.ts';

export type ResponseFormatName = 'binary' | 'json' | 's3';

/** A request the core can run as it is. */
export interface ImageRequest {
  readonly job: EngineJob;
  readonly responseFormat: ResponseFormatName;
  readonly format: ImageFormat;
  /** 1 to 100; zero for PNG. */
  readonly quality: number;
  readonly labels: Readonly<Record<string, string>>;
  /** What of the request has no effect. */
  readonly warnings: readonly GenerationWarning[];
}

/** Quality of JPEG and WebP files when the caller does not choose: gradients stay free of visible blocks. */
export const DEFAULT_IMAGE_QUALITY = 90;

const RESPONSE_FORMATS: Readonly<Record<number, ResponseFormatName>> = {
  [ResponseFormat.RESPONSE_FORMAT_UNSPECIFIED]: 'binary',
  [ResponseFormat.RESPONSE_FORMAT_BINARY]: 'binary',
  [ResponseFormat.RESPONSE_FORMAT_JSON]: 'json',
  [ResponseFormat.RESPONSE_FORMAT_S3]: 's3',
};

const IMAGE_FORMATS: Readonly<Record<number, ImageFormat>> = {
  [ImageEncoding.IMAGE_ENCODING_UNSPECIFIED]: 'jpeg',
  [ImageEncoding.IMAGE_ENCODING_JPEG]: 'jpeg',
  [ImageEncoding.IMAGE_ENCODING_PNG]: 'png',
  [ImageEncoding.IMAGE_ENCODING_WEBP]: 'webp',
};

/**
 * Checks `wire` against the fixed limits and the engine's capabilities and fills in every default.
 * @throws {InvalidRequestError} with every violation.
 * @throws {NotFoundError} for a model or LoRA the engine does not have.
 * @throws {PreconditionError} for what this engine cannot honour.
 */
export function checkImageRequest(wire: GenerateImageRequest, engine: EngineCapabilities): ImageRequest {
  const faults = new Faults();
  const named = engine.models.find(({ name }) => name === wire.model);
  const model = named ?? engine.models[0];
  if (wire.model !== '' && named === undefined) faults.notFound(new NotFoundError('model', wire.model));

  checkText(wire, faults);
  if (wire.negativePrompt !== '' && engine.takesNegativePrompt === false) {
    faults.precondition(unsupported('negative_prompt: this engine has no such parameter'));
  }
  const loras = checkLoras(wire.loras, engine, faults);
  const { width, height } = checkDimensions(wire, model, engine, faults);
  checkSeed(wire.seed, engine, faults);
  checkSteps(wire.steps, engine, faults);
  checkGuidance(wire.guidanceScale, model, engine, faults);
  checkSampler(wire.sampler, engine, faults);
  const responseFormat = checkEnum(
    'response_format',
    RESPONSE_FORMATS,
    wire.responseFormat,
    'binary',
    faults,
  );
  const asked = checkEnum('image_encoding', IMAGE_FORMATS, wire.imageEncoding, 'jpeg', faults);
  checkQuality(wire.imageQuality, asked, faults);
  // What is stored is a JPEG, whatever else was asked for.
  const format = responseFormat === 's3' ? 'jpeg' : asked;
  checkLabels(wire.labels, faults);
  if (wire.requestId !== '' && !isCanonicalUuid(wire.requestId)) {
    faults.add('request_id', 'REQUEST_ID_INVALID', 'must be a canonical lower-case UUID, or empty');
  }
  faults.throwIfAny();

  return {
    job: {
      requestId: wire.requestId === '' ? randomUUID() : wire.requestId,
      prompt: wire.prompt,
      negativePrompt: wire.negativePrompt,
      model: model.name,
      width,
      height,
      // From 1 to 2^31 − 1: the range in which every engine takes a seed literally (reference § 2).
      seed: wire.seed ?? randomInt(1, 2 ** 31),
      steps: wire.steps ?? model.defaultSteps,
      guidanceScale: writtenFloat32(wire.guidanceScale ?? model.defaultGuidanceScale),
      sampler: wire.sampler === '' ? (engine.samplers[0] ?? '') : wire.sampler,
      loras,
      includePreviews: wire.includePreviews,
    },
    responseFormat,
    format,
    quality: format === 'png' ? 0 : (wire.imageQuality ?? DEFAULT_IMAGE_QUALITY),
    labels: wire.labels,
    warnings: [...ignoredFields(wire, model), ...replacedEncoding(asked, format)],
  };
}

function checkEnum<T>(
  field: string,
  known: Readonly<Record<number, T>>,
  value: number,
  fallback: T,
  faults: Faults,
): T {
  const name = known[value];
  if (name === undefined) faults.add(field, 'ENUM_UNKNOWN', `${value} is not a known value`);
  return name ?? fallback;
}

/** An engine that cannot repeat a picture must not promise to. */
function checkSeed(seed: number | undefined, engine: EngineCapabilities, faults: Faults): void {
  if (seed === undefined) return;
  const { supportsSeed = true, maxSeed = 2 ** 32 - 1 } = engine;
  if (!supportsSeed) faults.precondition(unsupported('seed: this engine chooses its seeds itself'));
  else if (seed > maxSeed) faults.precondition(unsupported(`seed: this engine takes seeds up to ${maxSeed}`));
}

function checkSteps(steps: number | undefined, engine: EngineCapabilities, faults: Faults): void {
  if (steps !== undefined && engine.maxSteps === 0) {
    faults.precondition(unsupported('steps: this engine chooses its steps itself'));
  } else checkNumber('steps', steps, 1, engine.maxSteps, 'STEPS_OUT_OF_RANGE', faults);
}

function checkGuidance(
  scale: number | undefined,
  model: EngineModel,
  engine: EngineCapabilities,
  faults: Faults,
): void {
  const { maxGuidanceScale: max } = engine;
  if (scale !== undefined && max === 0) {
    faults.precondition(unsupported('guidance_scale: this engine chooses its guidance scale itself'));
  } else if (scale === 0 && model.supportsGuidanceScale && model.defaultGuidanceScale === 0) {
    // In a job zero leaves it to the engine.
    faults.precondition(unsupported('guidance_scale: this engine takes none of 0; leave it unset'));
  } else checkNumber('guidance_scale', scale, 0, max, 'GUIDANCE_OUT_OF_RANGE', faults);
}

function checkSampler(sampler: string, engine: EngineCapabilities, faults: Faults): void {
  if (sampler === '' || engine.samplers.includes(sampler)) return;
  const known = engine.samplers.slice(0, 20).join(', ');
  faults.add(
    'sampler',
    'SAMPLER_UNKNOWN',
    known === '' ? 'this engine has no samplers to choose' : `must be one of ${known}`,
  );
}

function checkQuality(quality: number | undefined, format: ImageFormat, faults: Faults): void {
  if (quality === undefined) return;
  if (format === 'png') faults.add('image_quality', 'QUALITY_INVALID', 'PNG is lossless: leave it unset');
  else if (quality < 1 || quality > 100) {
    faults.add('image_quality', 'QUALITY_INVALID', `must be from 1 to 100, got ${quality}`);
  }
}

function ignoredFields(wire: GenerateImageRequest, model: EngineModel): GenerationWarning[] {
  const warnings: GenerationWarning[] = [];
  const ignore = (field: string): void => {
    const reason = `${field.toUpperCase()}_IGNORED`;
    warnings.push({ reason, field, message: `model ${model.name} does not use ${field}` });
  };
  if (wire.negativePrompt !== '' && !model.supportsNegativePrompt) ignore('negative_prompt');
  if (wire.guidanceScale !== undefined && !model.supportsGuidanceScale) ignore('guidance_scale');
  return warnings;
}

function replacedEncoding(asked: ImageFormat, format: ImageFormat): GenerationWarning[] {
  if (asked === format) return [];
  const message = `response format S3 refers to the archived image, which is a JPEG, not ${asked}`;
  return [{ reason: 'IMAGE_ENCODING_REPLACED', field: 'image_encoding', message }];
}
