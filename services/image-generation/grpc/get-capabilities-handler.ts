import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';
import type {
  GetCapabilitiesRequest,
  GetCapabilitiesResponse,
} from '../../../proto/gen/sekai/image/v1/image_generation_service.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { EngineCapabilities, ImageEngine } from '../image-engine.ts';
import { REQUEST_LIMITS } from '../image-request.ts';
import type { CallNotebook } from './call-notes.ts';
import { callerOf } from './caller.ts';
import { isExpectedError, reasonOf, toStatus } from './status.ts';
import { WIRE_IMAGE_ENCODINGS, WIRE_RESPONSE_FORMATS } from './wire-events.ts';

export interface GetCapabilitiesDependencies {
  readonly engine: ImageEngine;
  readonly chunkBytes: number;
  /** Whether images are archived; without an archive there is no response format S3. */
  readonly archiving: boolean;
  readonly logger: Logger;
  readonly notebook: CallNotebook;
}

/** Longest the engine may take to tell what it has, ms. */
const ENGINE_TIMEOUT_MS = 10_000;

/** The RPC. Answers through `respond`, errors included; never rejects. */
export function createGetCapabilitiesHandler(dependencies: GetCapabilitiesDependencies) {
  const { engine, chunkBytes, archiving, logger, notebook } = dependencies;

  return async function handleGetCapabilities(
    call: ServerUnaryCall<GetCapabilitiesRequest, GetCapabilitiesResponse>,
    respond: sendUnaryData<GetCapabilitiesResponse>,
  ): Promise<void> {
    notebook.note(call, { caller: callerOf(call) });
    try {
      const capabilities = await engine.capabilities(AbortSignal.timeout(ENGINE_TIMEOUT_MS));
      respond(null, wireCapabilities(engine.name, capabilities, chunkBytes, archiving));
    } catch (error) {
      if (!isExpectedError(error)) logger.error({ method: 'GetCapabilities', err: error }, 'call failed');
      notebook.note(call, { reason: reasonOf(error) });
      respond(toStatus(error));
    }
  };
}

function wireCapabilities(
  engine: string,
  capabilities: EngineCapabilities,
  chunkBytes: number,
  archiving: boolean,
): GetCapabilitiesResponse {
  return {
    engine,
    models: [...capabilities.models],
    loras: [...capabilities.loras],
    samplers: [...capabilities.samplers],
    imageEncodings: Object.values(WIRE_IMAGE_ENCODINGS),
    responseFormats: [
      WIRE_RESPONSE_FORMATS.binary,
      WIRE_RESPONSE_FORMATS.json,
      ...(archiving ? [WIRE_RESPONSE_FORMATS.s3] : []),
    ],
    limits: {
      minDimension: capabilities.minDimension,
      maxDimension: capabilities.maxDimension,
      maxPixels: BigInt(capabilities.maxPixels),
      maxSteps: capabilities.maxSteps,
      maxGuidanceScale: capabilities.maxGuidanceScale,
      maxLoras: capabilities.maxLoras,
      maxLoraStrength: capabilities.maxLoraStrength,
      ...REQUEST_LIMITS,
      maxChunkBytes: chunkBytes,
    },
  };
}
