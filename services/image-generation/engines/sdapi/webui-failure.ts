import type { Logger } from '../../../runtime/logger.ts';
import type { EngineJob } from '../../image-engine.ts';
import type { EngineAnswer } from '../http/engine-connection.ts';
import { fieldRejected, statusFailure } from '../http/engine-failure.ts';
import { engineWords } from '../http/engine-words.ts';
import { listAt, textAt } from '../http/json-reading.ts';

/** Fields of txt2img that carry a value of the caller's, as our contract calls them. */
const OUR_FIELDS: Readonly<Record<string, string>> = {
  prompt: 'prompt',
  negative_prompt: 'negative_prompt',
  width: 'width',
  height: 'height',
  seed: 'seed',
  steps: 'steps',
  cfg_scale: 'guidance_scale',
  sampler_name: 'sampler',
  scheduler: 'sampler',
  lora: 'loras',
};

/** What an unsuccessful answer to a job means: an EngineError, or an InvalidRequestError that names our field. */
export function webuiFailure(answer: EngineAnswer, job: EngineJob, logger: Logger): Error {
  const text = answer.body.toString('utf8', 0, 64 * 1024);
  const value = parsed(text);
  const words = wordsOf(value) ?? text;
  const prompts = [job.prompt, job.negativePrompt];
  const field = answer.status < 500 ? rejectedField(value) : undefined;
  if (field === undefined) return statusFailure(answer, words, prompts);
  const said = engineWords(words, prompts);
  logger.info(
    { requestId: job.requestId, status: answer.status, field, said },
    'image engine refused a value',
  );
  return fieldRejected(field);
}

/** 422 of FastAPI: `detail[].loc`; 404 "Sampler not found"; sd-server: "invalid lora path". */
function rejectedField(value: unknown): string | undefined {
  for (const problem of listAt(value, 'detail')) {
    const name = listAt(problem, 'loc').findLast((part) => typeof part === 'string');
    const field = typeof name === 'string' ? OUR_FIELDS[name] : undefined;
    if (field !== undefined) return field;
  }
  const words = `${textAt(value, 'detail') ?? ''} ${textAt(value, 'error') ?? ''}`;
  if (/sampler not found|scheduler not found/i.test(words)) return 'sampler';
  return /invalid lora/i.test(words) ? 'loras' : undefined;
}

/** A1111: `{error, detail, body, errors}`; FastAPI: `{detail}`, text or list; sd-server: `{error, message}`. */
function wordsOf(value: unknown): string | undefined {
  const said = ['error', 'errors', 'detail', 'message'].flatMap((field) => textAt(value, field) ?? []);
  for (const problem of listAt(value, 'detail')) {
    said.push(`${listAt(problem, 'loc').join('.')}: ${textAt(problem, 'msg') ?? ''}`);
  }
  const kobold = textAt(value, 'detail', 'msg');
  if (kobold !== undefined) said.push(kobold);
  return said.length === 0 ? undefined : said.join('; ');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
