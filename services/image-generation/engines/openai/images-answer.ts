import type { EngineEvent, EngineJob, EngineReport, GenerationWarning } from '../../image-engine.ts';
import { engineError } from '../http/engine-failure.ts';
import type { JsonAnswer } from '../http/json-answer.ts';
import { listAt, textAt } from '../http/json-reading.ts';
import type { Dialect } from './dialects.ts';
import type { PictureLinks } from './picture-links.ts';

type ImageEvent = Extract<EngineEvent, { type: 'image' }>;

/** Longest text of the engine's that goes into a record. */
const MAX_DETAIL_LENGTH = 8 * 1024;

/**
 * The picture of a whole answer: `data[0]`.
 * @throws {EngineError} BAD_RESPONSE when there is none.
 */
export async function answeredImage(
  json: JsonAnswer,
  job: EngineJob,
  dialect: Dialect,
  links: PictureLinks,
  signal: AbortSignal,
): Promise<ImageEvent> {
  const [entry] = listAt(json.value, 'data');
  const base64 = textAt(entry, 'b64_json');
  const link = base64 === undefined ? textAt(entry, 'url') : undefined;
  const bytes =
    link !== undefined && isLink(link)
      ? await linked(link, dialect, links, signal)
      : await json.picture(base64 ?? link);
  return imageEvent(bytes, job, dialect, report(json.value, entry, job));
}

/** The picture of a stream's last event, which is answer and entry in one. */
export async function streamedImage(json: JsonAnswer, job: EngineJob, dialect: Dialect): Promise<ImageEvent> {
  const bytes = await json.picture(textAt(json.value, 'b64_json'));
  return imageEvent(bytes, job, dialect, report(json.value, json.value, job));
}

/** Anything else is a `data:` URL. */
const isLink = (text: string): boolean => /^(https?:|\/)/i.test(text);

function linked(link: string, dialect: Dialect, links: PictureLinks, signal: AbortSignal): Promise<Buffer> {
  if (dialect.mayLink) return links.fetch(link, signal);
  throw engineError('BAD_RESPONSE', `a link instead of a picture, which ${dialect.name} never sends`);
}

function imageEvent(bytes: Buffer, job: EngineJob, dialect: Dialect, used: EngineReport): ImageEvent {
  const warnings: GenerationWarning[] = [];
  if (dialect.seed === undefined) {
    const message = 'the engine chose its seed and does not tell it; this one will not repeat the picture';
    warnings.push({ reason: 'SEED_NOT_USED', field: 'seed', message });
  }
  return { type: 'image', image: { kind: 'file', bytes }, seed: job.seed, warnings, used };
}

/** What the engine tells of its work. A prompt it has rewritten (dall-e-3) is one it has used. */
function report(answer: unknown, entry: unknown, job: EngineJob): EngineReport {
  const revised = textAt(entry, 'revised_prompt');
  const told = [
    ['revised_prompt', revised === job.prompt ? undefined : revised],
    ...(['quality', 'background', 'output_format', 'size'] as const).map(
      (field) => [field, textAt(answer, field)] as const,
    ),
  ] as const;
  const details = told.flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value.slice(0, MAX_DETAIL_LENGTH)] as const],
  );
  const model = textAt(answer, 'model');
  return {
    ...(model === undefined ? {} : { model }),
    ...(details.length === 0 ? {} : { details: Object.fromEntries(details) }),
  };
}
