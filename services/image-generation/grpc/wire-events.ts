/** From the core's events to the contract's messages. */
import type { Duration } from '../../../proto/gen/google/protobuf/duration.ts';
import {
  ArchiveState,
  type GenerateImageResponse,
  GenerationStage as WireStage,
  ImageEncoding,
  type LoraSettings,
  type ResolvedParameters,
  ResponseFormat,
} from '../../../proto/gen/sekai/image/v1/image_generation_service.ts';
import type { ArchiveOutcome, GenerationEvent, GenerationStage } from '../generation-event.ts';
import type { ImageFormat } from '../image-encoder.ts';
import type { LoraApplication } from '../image-engine.ts';
import type { ImageRequest, ResponseFormatName } from '../image-request.ts';

export const WIRE_RESPONSE_FORMATS: Readonly<Record<ResponseFormatName, ResponseFormat>> = {
  binary: ResponseFormat.RESPONSE_FORMAT_BINARY,
  json: ResponseFormat.RESPONSE_FORMAT_JSON,
  s3: ResponseFormat.RESPONSE_FORMAT_S3,
};

export const WIRE_IMAGE_ENCODINGS: Readonly<Record<ImageFormat, ImageEncoding>> = {
  jpeg: ImageEncoding.IMAGE_ENCODING_JPEG,
  png: ImageEncoding.IMAGE_ENCODING_PNG,
  webp: ImageEncoding.IMAGE_ENCODING_WEBP,
};

const WIRE_STAGES: Readonly<Record<GenerationStage, WireStage>> = {
  queued: WireStage.GENERATION_STAGE_QUEUED,
  loading: WireStage.GENERATION_STAGE_LOADING,
  sampling: WireStage.GENERATION_STAGE_SAMPLING,
  encoding: WireStage.GENERATION_STAGE_ENCODING,
  archiving: WireStage.GENERATION_STAGE_ARCHIVING,
};

const WIRE_ARCHIVE_STATES: Readonly<Record<ArchiveOutcome['state'], ArchiveState>> = {
  disabled: ArchiveState.ARCHIVE_STATE_DISABLED,
  spooled: ArchiveState.ARCHIVE_STATE_SPOOLED,
  queued: ArchiveState.ARCHIVE_STATE_QUEUED,
  stored: ArchiveState.ARCHIVE_STATE_STORED,
  failed: ArchiveState.ARCHIVE_STATE_FAILED,
};

/** One message of the stream. */
export function wireResponse(event: GenerationEvent): GenerateImageResponse {
  return { event: wireEvent(event) };
}

function wireEvent(event: GenerationEvent): GenerateImageResponse['event'] {
  switch (event.type) {
    case 'accepted':
      return {
        $case: 'accepted',
        value: {
          requestId: event.request.job.requestId,
          engine: event.engine,
          parameters: resolvedParameters(event.request),
          acceptTime: event.acceptTime,
        },
      };
    case 'progress':
      return {
        $case: 'progress',
        value: {
          stage: WIRE_STAGES[event.stage],
          step: event.step,
          totalSteps: event.totalSteps,
          fraction: event.fraction,
          queuePosition: event.queuePosition,
          eta: undefined,
          elapsed: duration(event.elapsedMs),
        },
      };
    case 'preview':
      return { $case: 'preview', value: { mediaType: event.mediaType, data: event.data, step: event.step } };
    case 'header':
      return { $case: 'header', value: { ...event, sizeBytes: BigInt(event.sizeBytes) } };
    case 'chunk':
      return { $case: 'chunk', value: { offset: BigInt(event.offset), data: event.data } };
    case 'result':
      return { $case: 'result', value: result(event) };
  }
}

function result(event: Extract<GenerationEvent, { type: 'result' }>) {
  const { state, bucket, key, recordKey, download } = event.archive;
  return {
    requestId: event.requestId,
    imageHash: event.imageHash,
    seed: event.seed,
    archive: {
      state: WIRE_ARCHIVE_STATES[state],
      bucket,
      key,
      recordKey,
      downloadUrl: download?.url ?? '',
      downloadUrlExpireTime: download?.expireTime,
    },
    warnings: [...event.warnings],
    queueDuration: duration(event.queueMs),
    generationDuration: duration(event.generationMs),
  };
}

function resolvedParameters(request: ImageRequest): ResolvedParameters {
  const { model, width, height, seed, steps, guidanceScale, sampler, loras } = request.job;
  return {
    model,
    width,
    height,
    seed,
    steps,
    guidanceScale,
    sampler,
    loras: loras.map(wireLora),
    responseFormat: WIRE_RESPONSE_FORMATS[request.responseFormat],
    imageEncoding: WIRE_IMAGE_ENCODINGS[request.format],
    imageQuality: request.quality,
  };
}

const wireLora = ({ name, strength, textEncoderStrength }: LoraApplication): LoraSettings => ({
  name,
  strength,
  textEncoderStrength,
});

function duration(ms: number): Duration {
  const nanos = Math.round(ms * 1_000_000);
  return { seconds: BigInt(Math.floor(nanos / 1_000_000_000)), nanos: nanos % 1_000_000_000 };
}
