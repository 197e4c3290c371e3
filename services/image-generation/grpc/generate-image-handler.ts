import type { ServerWritableStream } from '@grpc/grpc-js';
import type {
  GenerateImageRequest,
  GenerateImageResponse,
} from '../../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { type Logger, promptFacts } from '../../runtime/logger.ts';
import type { Span } from '../../runtime/tracing/tracing.ts';
import { checkWithEngine } from '../check-with-engine.ts';
import type { CallContext, GenerateImage } from '../generate-image.ts';
import type { ImageEngine } from '../image-engine.ts';
import type { CallNotebook } from './call-notes.ts';
import { callSignal } from './call-signal.ts';
import { callerOf } from './caller.ts';
import { isExpectedError, reasonOf } from './status.ts';
import { streamClosed } from './stream-closed.ts';
import { streamResponses } from './stream-responses.ts';
import { wireResponse } from './wire-events.ts';

export interface GenerateImageHandlerDependencies {
  readonly engine: ImageEngine;
  readonly generateImage: GenerateImage;
  readonly logger: Logger;
  /** Where the access log and the metrics look up what only the handler knows. */
  readonly notebook: CallNotebook;
  /** Longest a call may take, whatever deadline the caller set, ms. */
  readonly maxCallMs: number;
  readonly spanOf: (call: Pick<Call, 'metadata'>) => Span;
}

/** Of a request id that was not checked; a UUID has 36 characters. */
const MAX_ID_LENGTH = 64;

type Call = ServerWritableStream<GenerateImageRequest, GenerateImageResponse>;

/**
 * The RPC. Resolves when the call is over and everything it started for its caller has stopped; never rejects:
 * grpc-js does not await handlers, and a rejection would end the process.
 */
export function createGenerateImageHandler(dependencies: GenerateImageHandlerDependencies) {
  const { engine, generateImage, logger, notebook, maxCallMs, spanOf } = dependencies;

  async function* responses(
    call: Call,
    context: CallContext,
  ): AsyncGenerator<GenerateImageResponse, void, undefined> {
    try {
      const request = await checkWithEngine(call.request, engine, context.signal);
      notebook.note(call, { requestId: request.job.requestId });
      for await (const event of generateImage(request, context)) yield wireResponse(event);
    } catch (error) {
      // Noted before the status is sent.
      notebook.note(call, { reason: reasonOf(error) });
      throw error;
    }
  }

  return async function handleGenerateImage(call: Call): Promise<void> {
    const closed = streamClosed(call);
    const context = { ...callSignal(call, maxCallMs), caller: callerOf(call), span: spanOf(call) };
    const { requestId, prompt } = call.request;
    notebook.note(call, {
      ...(requestId === '' ? {} : { requestId: requestId.slice(0, MAX_ID_LENGTH) }),
      caller: context.caller,
      ...promptFacts(prompt),
    });
    const error = await streamResponses(call, responses(call, context), context);
    if (error !== undefined && !isExpectedError(error)) {
      logger.error({ method: 'GenerateImage', ...notebook.of(call), err: error }, 'call failed');
    }
    await closed.by(context.deadline);
  };
}
