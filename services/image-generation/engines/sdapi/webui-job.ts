/** One picture through `POST /sdapi/v1/txt2img`. */
import { untilAborted } from '../../../runtime/until-aborted.ts';
import type { EngineEvent, EngineJob } from '../../image-engine.ts';
import { type EngineAnswer, MAX_IMAGE_ANSWER_BYTES } from '../http/engine-connection.ts';
import { jsonAnswer } from '../http/json-answer.ts';
import { at, listAt } from '../http/json-reading.ts';
import type { JobRun } from '../http/remote-engine.ts';
import type { WebuiDialect } from './dialect.ts';
import { readAccount } from './infotext.ts';
import { pause } from '../http/pause.ts';
import type { SdapiTools } from './sdapi-remote.ts';
import { webuiFailure } from './webui-failure.ts';
import { createStateReader, createTaskWatch, type TaskWatch } from './webui-progress.ts';
import { txt2imgRequest } from './webui-request.ts';

/**
 * Sends the job and watches it. When it is no longer wanted, the engine's work is stopped where that cannot hit
 * anybody else; where it can, the work runs out, and this engine's place stays taken until then.
 */
export async function* generateOnWebui(
  tools: SdapiTools,
  dialect: WebuiDialect,
  job: EngineJob,
  run: JobRun,
): AsyncGenerator<EngineEvent, void, undefined> {
  const { connection, pollMs, logger } = tools;
  run.signal.throwIfAborted();
  const body = txt2imgRequest(job, dialect);
  const request = {
    method: 'POST',
    path: '/sdapi/v1/txt2img',
    body,
    maxBytes: MAX_IMAGE_ANSWER_BYTES,
  } as const;
  // Not with the caller's signal: engines do not notice who has gone, and the next job must not meet this one.
  const answered = connection.ask(request, run.lifetime);
  let over = false;
  const settled = answered.then(
    () => void (over = true),
    () => void (over = true),
  );
  const watch = createTaskWatch(connection, job);
  try {
    yield* progress(watch, job, settled, pollMs, run.signal);
    yield await picture(await untilAborted(answered, run.signal), tools, dialect, job);
  } finally {
    if (!over) {
      logger.debug(
        { requestId: job.requestId, engine: connection.address },
        'stopping the work of the engine',
      );
      run.occupy(stop(tools, watch, settled, run.lifetime));
    }
  }
}

async function* progress(
  watch: TaskWatch,
  job: EngineJob,
  settled: Promise<void>,
  pollMs: number,
  signal: AbortSignal,
): AsyncGenerator<EngineEvent, void, undefined> {
  const read = createStateReader(job.steps);
  while (await pause(pollMs, signal, settled)) {
    const state = await watch.state(signal);
    if (state !== undefined) yield* await read(state);
  }
}

async function picture(
  answer: EngineAnswer,
  { logger }: SdapiTools,
  dialect: WebuiDialect,
  job: EngineJob,
): Promise<EngineEvent> {
  if (answer.status >= 300) throw webuiFailure(answer, job, logger);
  const json = await jsonAnswer(answer);
  // Grids and pictures of extensions come after the first.
  const bytes = await json.picture(listAt(json.value, 'images')[0]);
  const { seed, used, warnings } = readAccount(at(json.value, 'info'), job, dialect);
  return { type: 'image', image: { kind: 'file', bytes }, seed, used, warnings };
}

/**
 * Waits for the engine to be free of the job, interrupting it as soon as the engine says that it is ours that runs.
 * An interrupt has no address: sent at any other time it would end somebody else's picture.
 */
async function stop(
  { connection, pollMs }: SdapiTools,
  watch: TaskWatch,
  settled: Promise<void>,
  lifetime: AbortSignal,
): Promise<void> {
  do {
    const state = await watch.state(lifetime);
    if (state?.isOurs === true) {
      const interrupt = { method: 'POST', path: '/sdapi/v1/interrupt', timeoutMs: 5_000 } as const;
      await connection.ask(interrupt, lifetime).catch(() => {}); // The next round tries again.
    }
  } while (await pause(pollMs, lifetime, settled));
}
