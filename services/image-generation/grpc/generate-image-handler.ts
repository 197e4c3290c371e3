import { type ServerWritableStream, status as grpcStatus } from '@grpc/grpc-js';
import type {
  GenerateImageRequest,
  GenerateImageResponse,
} from '../../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { type Logger, promptFacts } from '../../runtime/logger.ts';
import { checkWithEngine } from '../check-with-engine.ts';
import type { CallContext, GenerateImage } from '../generate-image.ts';
import type { ImageEngine } from '../image-engine.ts';
import type { ImageRequest } from '../image-request.ts';
import { callSignal } from './call-signal.ts';
import { callerOf } from './caller.ts';
import { isExpectedError, toStatus } from './status.ts';
import { streamClosed } from './stream-closed.ts';
import { streamResponses } from './stream-responses.ts';
import { wireResponse } from './wire-events.ts';

export interface GenerateImageHandlerDependencies {
  readonly engine: ImageEngine;
  readonly generateImage: GenerateImage;
  readonly logger: Logger;
  /** Longest a call may take, whatever deadline the caller set, ms. */
  readonly maxCallMs: number;
}

type Call = ServerWritableStream<GenerateImageRequest, GenerateImageResponse>;

/**
 * The RPC. Resolves when the call is over and everything it started for its caller has stopped; never rejects:
 * grpc-js does not await handlers, and a rejection would end the process.
 */
export function createGenerateImageHandler(dependencies: GenerateImageHandlerDependencies) {
  const { engine, generateImage, logger, maxCallMs } = dependencies;

  async function* responses(
    wire: GenerateImageRequest,
    context: CallContext,
    onChecked: (request: ImageRequest) => void,
  ): AsyncGenerator<GenerateImageResponse, void, undefined> {
    const request = await checkWithEngine(wire, engine, context.signal);
    onChecked(request);
    for await (const event of generateImage(request, context)) yield wireResponse(event);
  }

  return async function handleGenerateImage(call: Call): Promise<void> {
    const started = performance.now();
    const closed = streamClosed(call);
    const context = { ...callSignal(call, maxCallMs), caller: callerOf(call) };
    let { requestId } = call.request;
    const events = responses(call.request, context, ({ job }) => {
      requestId = job.requestId;
    });
    const error = await streamResponses(call, events, context);
    const { code } = error === undefined ? { code: grpcStatus.OK } : toStatus(error);
    const line = {
      method: 'GenerateImage',
      code: grpcStatus[code],
      ms: Math.round(performance.now() - started),
      requestId,
      caller: context.caller,
      peer: call.getPeer(),
      ...promptFacts(call.request.prompt),
    };
    if (error !== undefined && !isExpectedError(error)) logger.error({ ...line, err: error }, 'call failed');
    else logger.info(line, 'call ended');
    await closed.by(context.deadline);
  };
}
