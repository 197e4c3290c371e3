import type { Logger } from '../../../runtime/logger.ts';
import { NotFoundError } from '../../errors.ts';
import type { EngineJob } from '../../image-engine.ts';
import type { EngineAnswer } from '../http/engine-connection.ts';
import { engineError, fieldRejected, statusFailure } from '../http/engine-failure.ts';
import { engineWords } from '../http/engine-words.ts';
import { at, listAt, textAt } from '../http/json-reading.ts';

/** Fields of the protocol that carry a value of the caller's, as our contract calls them. */
const OUR_FIELDS: Readonly<Record<string, string>> = {
  prompt: 'prompt',
  negative_prompt: 'negative_prompt',
  size: 'width',
  seed: 'seed',
  rng_seed: 'seed',
  step: 'steps',
  steps: 'steps',
  num_inference_steps: 'steps',
  guidance_scale: 'guidance_scale',
  true_cfg_scale: 'guidance_scale',
  cfg_scale: 'guidance_scale',
  lora: 'loras',
};

/** Codes of OpenAI (dall-e, gpt-image) and Azure. */
const FILTERED_CODE =
  /^(content_policy_violation|moderation_blocked|content_filter|contentFilter|ResponsibleAIPolicyViolation)$/;
/** What clouds without such a code say with 400 or 403. */
const FILTERED_WORDS = /safety system|content (management )?policy|content[ _]moderation|content filter/i;
/** Codes that only who pays can cure: to come back later is no help. */
const UNPAID_CODE = /^(insufficient_quota|billing_hard_limit_reached)$/;

/**
 * What an unsuccessful answer, or an error inside a stream, means: an EngineError, an InvalidRequestError that names
 * our field, or a NotFoundError for the model.
 */
export function openaiFailure(answer: EngineAnswer, job: EngineJob, logger: Logger): Error {
  const text = answer.body.toString('utf8', 0, 64 * 1024);
  const value = parsed(text);
  const codes = codesOf(value);
  const words = wordsOf(value) ?? text;
  const prompts = [job.prompt, job.negativePrompt];
  const said = `HTTP ${answer.status} ${codes.join(' ')}: ${engineWords(words, prompts)}`;
  const refused = answer.status === 400 || answer.status === 403;
  if (codes.some((code) => FILTERED_CODE.test(code)) || (refused && FILTERED_WORDS.test(words))) {
    return engineError('CONTENT_FILTERED', said);
  }
  if (codes.some((code) => UNPAID_CODE.test(code))) return engineError('FAILED', said);
  if (answer.status >= 500 || answer.status === 429) return statusFailure(answer, words, prompts);
  const param = rejectedParameter(value);
  if (codes.includes('model_not_found') || param === 'model') return new NotFoundError('model', job.model);
  const field = param === undefined ? undefined : OUR_FIELDS[param];
  if (field === undefined) return statusFailure(answer, words, prompts);
  const { requestId } = job;
  logger.info({ requestId, status: answer.status, field, said }, 'image engine refused a value');
  return fieldRejected(field);
}

/** OpenAI names it in `error.param`, FastAPI in `detail[].loc`. */
function rejectedParameter(value: unknown): string | undefined {
  const param = textAt(value, 'error', 'param');
  if (param !== undefined) return param;
  for (const problem of listAt(value, 'detail')) {
    const name = listAt(problem, 'loc').findLast((part) => typeof part === 'string');
    if (typeof name === 'string') return name;
  }
  return undefined;
}

function codesOf(value: unknown): string[] {
  const error = at(value, 'error');
  return [
    textAt(error, 'code'),
    textAt(error, 'type'),
    textAt(error, 'innererror', 'code'),
    textAt(error, 'inner_error', 'code'),
  ].flatMap((code) => (code === undefined || !/^[\w.-]{1,64}$/.test(code) ? [] : [code]));
}

/** `{error: {message}}`, `{error: text}`, FastAPI's `{detail}` as text or list, vLLM's older `{message}`. */
function wordsOf(value: unknown): string | undefined {
  const said = [
    textAt(value, 'error', 'message'),
    textAt(value, 'error'),
    textAt(value, 'detail'),
    textAt(value, 'message'),
    ...listAt(value, 'detail').map(
      (problem) => `${listAt(problem, 'loc').join('.')}: ${textAt(problem, 'msg') ?? ''}`,
    ),
  ].filter((words) => words !== undefined);
  return said.length === 0 ? undefined : said.join('; ');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
