/** One picture through `POST /prompt`: told of by the WebSocket, decided by asking. */
import { randomUUID } from 'node:crypto';
import { derivedSignal } from '../../../runtime/derived-signal.ts';
import { untilAborted } from '../../../runtime/until-aborted.ts';
import { EngineError } from '../../errors.ts';
import type { EngineEvent, EngineJob } from '../../image-engine.ts';
import { type EngineAnswer, MAX_IMAGE_ANSWER_BYTES } from '../http/engine-connection.ts';
import { engineError, isConnectionFailure, statusFailure } from '../http/engine-failure.ts';
import { jsonAnswer } from '../http/json-answer.ts';
import { textAt } from '../http/json-reading.ts';
import type { JobRun } from '../http/remote-engine.ts';
import { cancelJob } from './cancel-job.ts';
import type { Catalogue } from './catalogue.ts';
import type { ComfyuiTools } from './comfyui-remote.ts';
import type { JobState } from './job-state.ts';
import { createJobWatch, type JobWatch } from './job-watch.ts';
import { accountOf, outputOf, type OutputFile } from './outcome.ts';
import { promptRequest } from './prompt-request.ts';
import { nodeErrors, refusal } from './refusal.ts';

const ANSWER_TIMEOUT_MS = 30_000;
/** Longest wait for the WebSocket before the job is sent without, ms. */
const SOCKET_MS = 1_000;
/** For cancelling a job that has used up its time, ms. */
const LAST_CANCEL_MS = 2_000;
/** The job's end is told a moment before it stands in the history. */
const END_POLL_MS = 50;

/** Runs the job. One that is no longer wanted is taken off the queue or interrupted, and nobody else's is. */
export async function* generateOnComfyui(
  tools: ComfyuiTools,
  catalogue: Catalogue,
  job: EngineJob,
  run: JobRun,
): AsyncGenerator<EngineEvent, void, undefined> {
  run.signal.throwIfAborted();
  const { connection, workflow, logger } = tools;
  const ids = { clientId: randomUUID(), jobId: randomUUID() };
  const request = promptRequest(job, workflow, catalogue, ids);
  const watch = createJobWatch(workflow, job, ids.jobId);
  const socket = tools.openSocket(`/ws?clientId=${ids.clientId}`, watch.hear, watch.ended);
  let posted: Promise<EngineAnswer> | undefined;
  let over = false;
  try {
    await untilAborted(Promise.race([socket.opened, waited(SOCKET_MS)]), run.signal);
    const body = { method: 'POST', path: '/prompt', body: request, timeoutMs: ANSWER_TIMEOUT_MS } as const;
    // Not with the caller's signal: whether the engine has it decides what there is to cancel.
    posted = connection.ask(body, run.lifetime);
    const answer = await untilAborted(posted, run.signal);
    over = answer.status >= 400 && answer.status < 500; // What a proxy says of itself leaves it open.
    const jobId = await idOf(answer, tools, job);
    watch.identified(jobId);
    logger.debug(
      { requestId: job.requestId, engine: connection.address, engineJob: jobId },
      'job is with the engine',
    );
    const history = yield* followed(tools, watch, jobId, run.signal);
    over = true;
    const file = outputOf(history, workflow, job);
    const details = { workflow: workflow.name, version: tools.version(), job_id: jobId };
    const account = accountOf(history, workflow, job, details);
    yield {
      type: 'image',
      image: { kind: 'file', bytes: await download(tools, file, run.signal) },
      ...account,
    };
  } finally {
    socket.close();
    if (posted !== undefined && !over) run.occupy(stop(tools, posted, ids.jobId, run.lifetime));
  }
}

/** Cancels the job, under the engine's id where it is known. At its time limit there is a moment left for that. */
async function stop(
  { connection, states }: ComfyuiTools,
  posted: Promise<EngineAnswer>,
  chosenId: string,
  lifetime: AbortSignal,
): Promise<void> {
  const reason = (): Error => engineError('TIMEOUT', 'no time left to cancel');
  const limited = lifetime.aborted
    ? derivedSignal(new AbortController().signal, { ms: LAST_CANCEL_MS, reason })
    : derivedSignal(lifetime);
  try {
    const id = await posted.then((answer) => idIn(answer)).catch(() => undefined);
    await cancelJob(connection, states, id ?? chosenId, limited.signal);
  } finally {
    limited.dispose();
  }
}

const waited = (ms: number): Promise<boolean> =>
  new Promise((resolve) => {
    setTimeout(() => resolve(false), ms).unref();
  });

/** The id that the engine gave the job: older ones do not take ours. @throws what its refusal means. */
async function idOf(
  answer: EngineAnswer,
  { workflow, logger }: ComfyuiTools,
  job: EngineJob,
): Promise<string> {
  if (answer.status >= 400 && answer.status !== 400) {
    throw statusFailure(answer, answer.body.toString('utf8', 0, 2_000), [job.prompt, job.negativePrompt]);
  }
  const { value } = await jsonAnswer(answer);
  // A graph with several outputs is run without those that are wrong.
  if (answer.status >= 300 || nodeErrors(value).length > 0)
    throw refusal(answer, value, workflow, job, logger);
  const id = textAt(value, 'prompt_id');
  if (id === undefined || !JOB_ID.test(id)) throw engineError('BAD_RESPONSE', 'a job without an id');
  return id;
}

const JOB_ID = /^[\w-]{1,64}$/;

async function idIn(answer: EngineAnswer): Promise<string | undefined> {
  const id = textAt((await jsonAnswer(answer)).value, 'prompt_id');
  return id !== undefined && JOB_ID.test(id) ? id : undefined;
}

/** Yields what is told until the job is over; returns its history. Asks now and then, and when there is a hint. */
async function* followed(
  tools: ComfyuiTools,
  watch: JobWatch,
  jobId: string,
  signal: AbortSignal,
): AsyncGenerator<EngineEvent, unknown, undefined> {
  let askAtMs = performance.now();
  let heeded = 0;
  for (;;) {
    signal.throwIfAborted();
    yield* watch.take();
    if (watch.hints > heeded || performance.now() >= askAtMs) {
      heeded = watch.hints;
      const state = await stateOf(tools, jobId, signal);
      if (state?.kind === 'over') {
        yield* watch.take();
        return state.history;
      }
      if (state?.kind === 'unknown') {
        throw engineError('UNAVAILABLE', 'the engine has forgotten the job: a restart');
      }
      if (state?.kind === 'running') watch.started();
      askAtMs = performance.now() + (watch.isOver ? Math.min(END_POLL_MS, tools.pollMs) : tools.pollMs);
    }
    if (!watch.hasNews && watch.hints === heeded) {
      await watch.bell.wait(Math.max(1, askAtMs - performance.now()), signal);
    }
  }
}

/** Undefined when the engine is too busy to answer: ComfyUI loads models on the thread that answers. */
async function stateOf(
  { states }: ComfyuiTools,
  jobId: string,
  signal: AbortSignal,
): Promise<JobState | undefined> {
  try {
    // A connection kept alive may have been closed by the other side meanwhile: that is no answer.
    return await states.of(jobId, signal).catch((error: unknown) => {
      if (!isConnectionFailure(error) || signal.aborted) throw error;
      return states.of(jobId, signal);
    });
  } catch (error) {
    if (error instanceof EngineError && error.failure === 'TIMEOUT' && !signal.aborted) return undefined;
    throw error;
  }
}

async function download(
  { connection }: ComfyuiTools,
  file: OutputFile,
  signal: AbortSignal,
): Promise<Buffer> {
  const path = `/view?${new URLSearchParams({ ...file }).toString()}`;
  const answer = await connection.ask({ method: 'GET', path, maxBytes: MAX_IMAGE_ANSWER_BYTES }, signal);
  if (answer.status === 404)
    throw engineError('BAD_RESPONSE', 'the picture is not where the engine says it is');
  if (answer.status >= 300) throw statusFailure(answer, 'about a picture', []);
  if (!/^image\/|^application\/octet-stream$/.test(answer.contentType)) {
    throw engineError('BAD_RESPONSE', `a picture of the type ${answer.contentType.slice(0, 64)}`);
  }
  return answer.body;
}
