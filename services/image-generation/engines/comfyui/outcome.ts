/** What a job has come to, as its history tells. */
import { EngineError } from '../../errors.ts';
import type { EngineJob, EngineReport, GenerationWarning } from '../../image-engine.ts';
import { engineError, statusFailure } from '../http/engine-failure.ts';
import { at, listAt, numberAt, textAt } from '../http/json-reading.ts';
import { isLink, type Placeholder, type Workflow } from './workflow.ts';

/** A file at the engine. */
export interface OutputFile {
  readonly filename: string;
  readonly subfolder: string;
  readonly type: string;
}

/** The file with the picture. @throws {EngineError} when the job has failed or has none. */
export function outputOf(history: unknown, workflow: Workflow, job: EngineJob): OutputFile {
  const failure = failureIn(history, job);
  if (failure !== undefined) throw failure;
  const outputs = at(history, 'outputs');
  const own = workflow.uses.flatMap(({ placeholder, nodeId }) => (placeholder === 'job_id' ? [nodeId] : []));
  const others = Object.keys(typeof outputs === 'object' && outputs !== null ? outputs : {});
  for (const nodeId of [...own, ...others]) {
    for (const image of listAt(outputs, nodeId, 'images')) {
      const filename = textAt(image, 'filename');
      if (filename !== undefined) {
        return {
          filename,
          subfolder: textAt(image, 'subfolder') ?? '',
          type: textAt(image, 'type') ?? 'output',
        };
      }
    }
  }
  throw engineError('BAD_RESPONSE', 'a job that succeeded without a picture');
}

function failureIn(history: unknown, job: EngineJob): EngineError | undefined {
  const messages = listAt(history, 'status', 'messages').map((message) => listAt(message));
  const dataOf = (event: string): unknown => messages.find(([name]) => name === event)?.[1];
  if (dataOf('execution_interrupted') !== undefined) {
    return new EngineError('FAILED', 'the job was interrupted at the image engine', {
      cause: new Error('interrupted by somebody else'),
    });
  }
  const error = dataOf('execution_error');
  if (error === undefined && textAt(history, 'status', 'status_str') !== 'error') return undefined;
  const what = `${textAt(error, 'exception_type') ?? 'error'}: ${textAt(error, 'exception_message') ?? ''}`;
  const where = `node ${textAt(error, 'node_id') ?? '?'} (${textAt(error, 'node_type') ?? '?'})`;
  const asAnswer = { status: 500, path: '/history', contentType: '', body: Buffer.alloc(0) };
  return statusFailure(asAnswer, `${where}: ${what}`, [job.prompt, job.negativePrompt]);
}

export interface Account {
  readonly seed: number;
  readonly used: EngineReport;
  readonly warnings: readonly GenerationWarning[];
}

const MAX_DETAIL_LENGTH = 200;

/** What was used, read from the graph that was run: extensions of the engine may have changed it. */
export function accountOf(
  history: unknown,
  workflow: Workflow,
  job: EngineJob,
  details: Readonly<Record<string, string | undefined>>,
): Account {
  // [number, prompt_id, prompt, extra_data, outputs]
  const graph = listAt(history, 'prompt')[2];
  const run = (placeholder: Placeholder): unknown => {
    const use = workflow.uses.find((one) => one.placeholder === placeholder && one.whole);
    const value = use === undefined ? undefined : at(graph, use.nodeId, 'inputs', use.input);
    return isLink(value) ? undefined : value;
  };
  const text = (placeholder: Placeholder): string | undefined => textAt(run(placeholder));
  const seed = numberAt(run('seed')) ?? job.seed;
  const steps = numberAt(run('steps'));
  const guidanceScale = numberAt(run('guidance_scale'));
  const model = text('model');
  const sampler = text('sampler');
  const told = Object.entries({ ...details, scheduler: text('scheduler') }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value.slice(0, MAX_DETAIL_LENGTH)] as const],
  );
  const message = `the engine used seed ${seed} instead of ${job.seed}`;
  return {
    seed,
    warnings: seed === job.seed ? [] : [{ reason: 'SEED_REPLACED', field: 'seed', message }],
    used: {
      ...(model === undefined ? {} : { model }),
      ...(sampler === undefined ? {} : { sampler }),
      ...(steps === undefined ? {} : { steps }),
      ...(guidanceScale === undefined ? {} : { guidanceScale }),
      details: Object.fromEntries(told),
    },
  };
}
