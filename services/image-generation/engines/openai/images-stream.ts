/** Reads the answer to `stream: true`: unfinished pictures on the way, then the finished one. */
import { smallPreview } from '../../encoding/small-preview.ts';
import { EngineError } from '../../errors.ts';
import type { EngineEvent } from '../../image-engine.ts';
import { type EngineAnswer, type EngineStream, MAX_IMAGE_ANSWER_BYTES } from '../http/engine-connection.ts';
import { engineError } from '../http/engine-failure.ts';
import { type JsonAnswer, jsonAnswer } from '../http/json-answer.ts';
import { at, textAt } from '../http/json-reading.ts';
import { serverSentEvents } from '../http/server-sent-events.ts';

const PARTIAL = 'image_generation.partial_image';
const COMPLETED = 'image_generation.completed';
/** OpenAI does not send it for images; compatible servers end every stream with it. */
const DONE = '[DONE]';

export interface StreamReading {
  readonly image: (completed: JsonAnswer) => Promise<EngineEvent>;
  /** What an error inside the stream means. */
  readonly failure: (answer: EngineAnswer) => Error;
}

/** @throws {EngineError} BAD_RESPONSE when the stream ends without the finished picture. */
export async function* streamedEvents(
  stream: EngineStream,
  { image, failure }: StreamReading,
): AsyncGenerator<EngineEvent, void, undefined> {
  const { path } = stream;
  for await (const data of serverSentEvents(stream.body, MAX_IMAGE_ANSWER_BYTES)) {
    if (data.toString('latin1', 0, DONE.length) === DONE) break;
    const body = { status: 200, path, contentType: 'application/json', body: data };
    const json = await jsonAnswer(body);
    const type = textAt(json.value, 'type');
    if (type === COMPLETED) {
      yield await image(json);
      return;
    }
    if (type === 'error' || at(json.value, 'error') !== undefined) throw failure({ ...body, status: 500 });
    const preview = type === PARTIAL ? await previewOf(json) : undefined;
    if (preview !== undefined) yield preview;
  }
  throw engineError('BAD_RESPONSE', `the stream of ${path} ended without a picture`);
}

/** Partial images have the full size; as previews they would be too large to send. */
async function previewOf(json: JsonAnswer): Promise<EngineEvent | undefined> {
  try {
    const preview = await smallPreview(await json.picture(textAt(json.value, 'b64_json')));
    return preview === undefined ? undefined : { type: 'preview', ...preview };
  } catch (error) {
    if (error instanceof EngineError) return undefined;
    throw error;
  }
}
