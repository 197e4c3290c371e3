import type { ImageRequest } from './image-request.ts';
import type { EngineReport, GenerationWarning } from './image-engine.ts';

/** Version of the record's schema; documented in the README. Fields are only ever added within a version. */
export const INPUT_RECORD_VERSION = 1;

/** Facts of a finished generation that the request does not hold. */
export interface GenerationFacts {
  readonly engine: string;
  /** Seed as the engine reported it. */
  readonly seed: number;
  /** The engine's own account, when it gives one. */
  readonly used?: EngineReport;
  /** When the image existed. */
  readonly generatedAt: Date;
  /** Waiting for the engine, ms. */
  readonly queueMs: number;
  /** In the engine, ms. */
  readonly generationMs: number;
  readonly warnings: readonly GenerationWarning[];
}

/** The archived JPEG. */
export interface ArchivedImageFacts {
  readonly hash: string;
  readonly sizeBytes: number;
  readonly mediaType: string;
  readonly width: number;
  readonly height: number;
}

/**
 * Serialises `input-{hash}.json`, once and for all: every later stage carries these bytes unchanged, so that a
 * repeated upload is byte-identical. UTF-8, indented for people, ends with a line feed.
 */
export function serialiseInputRecord(
  request: ImageRequest,
  facts: GenerationFacts,
  image: ArchivedImageFacts,
): Uint8Array {
  const { job } = request;
  const record = {
    schema_version: INPUT_RECORD_VERSION,
    request_id: job.requestId,
    generated_at: facts.generatedAt.toISOString(),
    engine: { name: facts.engine, model: job.model, ...engineReport(facts.used) },
    parameters: recordedParameters(request, facts),
    timing: { queue_ms: Math.round(facts.queueMs), generation_ms: Math.round(facts.generationMs) },
    image: {
      hash: image.hash,
      size_bytes: image.sizeBytes,
      media_type: image.mediaType,
      width: image.width,
      height: image.height,
    },
    warnings: facts.warnings.map(({ reason, field, message }) => ({ reason, field, message })),
  };
  return new TextEncoder().encode(`${JSON.stringify(record, null, 2)}\n`);
}

/** What the engine says it has used stands apart from what it was told to use. */
function engineReport(used: EngineReport | undefined) {
  if (used === undefined) return {};
  const { model, sampler, steps, guidanceScale, details } = used;
  return { reported: { model, sampler, steps, guidance_scale: guidanceScale, details } };
}

/** The parameters the image was made with, as they stand in the record and in the JSON document. */
export function recordedParameters({ job, ...request }: ImageRequest, facts: GenerationFacts) {
  return {
    prompt: job.prompt,
    negative_prompt: job.negativePrompt,
    width: job.width,
    height: job.height,
    seed: facts.seed,
    steps: job.steps,
    guidance_scale: job.guidanceScale,
    sampler: job.sampler,
    loras: job.loras.map(({ name, strength, textEncoderStrength }) => ({
      name,
      strength,
      text_encoder_strength: textEncoderStrength,
    })),
    response_format: request.responseFormat,
    image_encoding: request.format,
    image_quality: request.quality,
    labels: request.labels,
  };
}
