/** One picture through stable-diffusion.cpp's own protocol: a job with an id, asked about until it is done. */
import { untilAborted } from '../../../runtime/until-aborted.ts';
import type { EngineEvent, EngineJob } from '../../image-engine.ts';
import { type EngineAnswer, MAX_IMAGE_ANSWER_BYTES } from '../http/engine-connection.ts';
import { engineError } from '../http/engine-failure.ts';
import { engineWords } from '../http/engine-words.ts';
import { type JsonAnswer, jsonAnswer } from '../http/json-answer.ts';
import { at, listAt, textAt } from '../http/json-reading.ts';
import type { JobRun } from '../http/remote-engine.ts';
import type { SdCppDialect } from './dialect.ts';
import { pause } from '../http/pause.ts';
import type { SdapiTools } from './sdapi-remote.ts';
import { knownLoras } from './webui-request.ts';
import { webuiFailure } from './webui-failure.ts';

const ANSWER_TIMEOUT_MS = 10_000;

/** Body of `POST /sdcpp/v1/img_gen`. */
export function imgGenRequest(job: EngineJob, dialect: SdCppDialect): Record<string, unknown> {
  const choice = job.sampler === '' ? undefined : dialect.samplers.get(job.sampler);
  return {
    prompt: job.prompt,
    negative_prompt: job.negativePrompt,
    width: job.width,
    height: job.height,
    seed: job.seed,
    batch_count: 1,
    sample_params: {
      sample_steps: job.steps,
      ...(choice === undefined ? {} : { sample_method: choice.sampler }),
      ...(choice?.scheduler === undefined ? {} : { scheduler: choice.scheduler }),
      guidance: { txt_cfg: job.guidanceScale },
    },
    lora: knownLoras(job, dialect.loraPaths).map(({ lora, path }) => ({ path, multiplier: lora.strength })),
    embed_image_metadata: false,
    output_format: 'png',
  };
}

/** Submits and polls. A job that still waits there is cancelled by its id; one that runs cannot be, and runs out. */
export async function* generateOnSdCpp(
  tools: SdapiTools,
  dialect: SdCppDialect,
  job: EngineJob,
  run: JobRun,
): AsyncGenerator<EngineEvent, void, undefined> {
  run.signal.throwIfAborted();
  const id = submit(tools, dialect, job, run.lifetime);
  id.catch(() => {}); // Whoever waits for it is told.
  let over = false;
  try {
    const jobId = await untilAborted(id, run.signal);
    let stage = '';
    for (;;) {
      const answer = await ask(tools, jobId, run.signal);
      const { value } = answer;
      const status = textAt(value, 'status') ?? '';
      if (status === 'completed') {
        over = true;
        const bytes = await answer.picture(at(listAt(value, 'result', 'images')[0], 'b64_json'));
        yield { type: 'image', image: { kind: 'file', bytes }, seed: job.seed, warnings: [] };
        return;
      }
      if (status !== 'queued' && status !== 'generating') {
        over = true;
        throw jobFailure(value, job);
      }
      if (status !== stage) {
        stage = status;
        yield { type: 'progress', stage: status === 'queued' ? 'loading' : 'sampling' };
      }
      await pause(tools.pollMs, run.signal);
    }
  } finally {
    if (!over) run.occupy(stop(tools, id, run.lifetime));
  }
}

async function submit(
  { connection, logger }: SdapiTools,
  dialect: SdCppDialect,
  job: EngineJob,
  signal: AbortSignal,
): Promise<string> {
  const body = imgGenRequest(job, dialect);
  const path = '/sdcpp/v1/img_gen';
  const answer = await connection.ask({ method: 'POST', path, body, timeoutMs: ANSWER_TIMEOUT_MS }, signal);
  if (answer.status >= 300) throw webuiFailure(answer, job, logger);
  const id = textAt((await jsonAnswer(answer)).value, 'id');
  if (id === undefined || !/^[\w.-]{1,128}$/.test(id))
    throw engineError('BAD_RESPONSE', 'a job without an id');
  return id;
}

/** The job's state. @throws {EngineError} UNAVAILABLE when the server does not know the job: it was restarted. */
async function ask({ connection }: SdapiTools, id: string, signal: AbortSignal): Promise<JsonAnswer> {
  const path = `/sdcpp/v1/jobs/${id}`;
  const request = { method: 'GET', path, maxBytes: MAX_IMAGE_ANSWER_BYTES } as const;
  const answer: EngineAnswer = await connection.ask(request, signal);
  if (answer.status === 404) throw engineError('UNAVAILABLE', 'the engine has forgotten the job: a restart');
  if (answer.status >= 300) throw engineError('FAILED', `HTTP ${answer.status} about a job`);
  return jsonAnswer(answer);
}

function jobFailure(value: unknown, job: EngineJob): Error {
  const words = `${textAt(value, 'error', 'code') ?? ''}: ${textAt(value, 'error', 'message') ?? ''}`;
  const said = engineWords(words, [job.prompt, job.negativePrompt]);
  const outOfMemory = /out of memory|bad_alloc|failed to allocate/i.test(words);
  return engineError(outOfMemory ? 'OUT_OF_MEMORY' : 'FAILED', said);
}

/** Takes the job out of the engine's queue, or waits until it has run out. */
async function stop(tools: SdapiTools, id: Promise<string>, lifetime: AbortSignal): Promise<void> {
  const path = `/sdcpp/v1/jobs/${await id}/cancel`;
  const cancel = {
    method: 'POST',
    path,
    timeoutMs: ANSWER_TIMEOUT_MS,
    maxBytes: MAX_IMAGE_ANSWER_BYTES,
  } as const;
  while ((await tools.connection.ask(cancel, lifetime)).status === 409) {
    await pause(tools.pollMs, lifetime); // It runs, and cannot be stopped: asked again until it is over.
  }
}
