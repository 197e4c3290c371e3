/** One picture through `POST /images/generations`. */
import { derivedSignal } from '../../../runtime/derived-signal.ts';
import type { Logger } from '../../../runtime/logger.ts';
import { untilAborted } from '../../../runtime/until-aborted.ts';
import type { EngineEvent, EngineJob } from '../../image-engine.ts';
import {
  type EngineAnswer,
  type EngineConnection,
  type EngineRequest,
  MAX_IMAGE_ANSWER_BYTES,
} from '../http/engine-connection.ts';
import { jsonAnswer } from '../http/json-answer.ts';
import type { JobRun } from '../http/remote-engine.ts';
import type { Place } from './find-place.ts';
import { answeredImage, streamedImage } from './images-answer.ts';
import { imagesRequest } from './images-request.ts';
import { streamedEvents } from './images-stream.ts';
import { modelRules } from './model-rules.ts';
import { openaiFailure } from './openai-failure.ts';
import type { PictureLinks } from './picture-links.ts';

/** Unfinished pictures asked for: as many as there are. */
const PARTIAL_IMAGES = 3;

export interface OpenaiTools {
  readonly connection: EngineConnection;
  readonly links: PictureLinks;
  readonly logger: Logger;
  /** From a LoRA's name to its path at the engine. */
  readonly loras: ReadonlyMap<string, string>;
}

/** Sends the job; streams it when previews are wanted and the model has some. */
export function generateOnOpenai(
  tools: OpenaiTools,
  place: Place,
  job: EngineJob,
  run: JobRun,
): AsyncGenerator<EngineEvent, void, undefined> {
  run.signal.throwIfAborted();
  const body = imagesRequest(job, place.dialect, tools.loras);
  const request = { method: 'POST', path: `${place.base}/images/generations`, body } as const;
  const streams = job.includePreviews && modelRules(job.model, place.dialect).streams;
  return streams ? stream(tools, place, job, run, request) : whole(tools, place, job, run, request);
}

/**
 * Asks for the whole answer. A job that is no longer wanted is stopped by hanging up where that stops it; where it
 * does not, the answer is waited for and dropped, so that the next job does not meet this one.
 */
async function* whole(
  tools: OpenaiTools,
  { dialect }: Place,
  job: EngineJob,
  run: JobRun,
  request: EngineRequest,
): AsyncGenerator<EngineEvent, void, undefined> {
  const { connection, links, logger } = tools;
  const line = derivedSignal(dialect.stopsOnDisconnect ? run.signal : run.lifetime);
  const answered = connection.ask({ ...request, maxBytes: MAX_IMAGE_ANSWER_BYTES }, line.signal);
  const settled = Promise.allSettled([answered]);
  try {
    yield { type: 'progress', stage: 'sampling' };
    const answer = await untilAborted(answered, run.signal);
    if (answer.status >= 300) throw openaiFailure(answer, job, logger);
    yield await answeredImage(await jsonAnswer(answer), job, dialect, links, run.signal);
  } finally {
    if (dialect.stopsOnDisconnect) line.abort(new Error('nobody waits for the answer any more'));
    run.occupy(settled.finally(() => line.dispose()));
  }
}

async function* stream(
  tools: OpenaiTools,
  { dialect }: Place,
  job: EngineJob,
  run: JobRun,
  request: EngineRequest,
): AsyncGenerator<EngineEvent, void, undefined> {
  const { connection, links, logger } = tools;
  const line = derivedSignal(run.signal);
  const opened = connection.open(
    {
      ...request,
      body: { ...(request.body as object), stream: true, partial_images: PARTIAL_IMAGES },
      maxBytes: MAX_IMAGE_ANSWER_BYTES * (PARTIAL_IMAGES + 1),
      maxPauseMs: 0, // Between two of them the engine works.
    },
    line.signal,
  );
  opened.catch(() => {}); // Whoever waits for it is told.
  try {
    yield { type: 'progress', stage: 'sampling' };
    const answer = await opened;
    if (answer.status < 300 && answer.contentType === 'text/event-stream') {
      yield* streamedEvents(answer, {
        image: (completed) => streamedImage(completed, job, dialect),
        failure: (error) => openaiFailure(error, job, logger),
      });
      return;
    }
    const parts: Buffer[] = [];
    for await (const part of answer.body) parts.push(part);
    const read: EngineAnswer = { ...answer, body: Buffer.concat(parts) };
    if (read.status >= 300) throw openaiFailure(read, job, logger);
    yield await answeredImage(await jsonAnswer(read), job, dialect, links, run.signal);
  } finally {
    line.abort(new Error('nobody reads the stream any more'));
    line.dispose();
  }
}
