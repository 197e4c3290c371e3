import type { EngineJob } from '../../image-engine.ts';
import { engineError } from '../http/engine-failure.ts';
import type { Catalogue } from './catalogue.ts';
import { fillWorkflow } from './fill-workflow.ts';
import { type Graph, takes, type Workflow } from './workflow.ts';

/** Body of `POST /prompt`. */
export interface PromptRequest {
  readonly prompt: Graph;
  readonly client_id: string;
  readonly prompt_id: string;
  readonly extra_data: { readonly preview_method: 'auto' | 'none' };
}

/** Ids of one attempt at a job. */
export interface AttemptIds {
  /** Who hears of it. */
  readonly clientId: string;
  /** Not the request's: the engine remembers finished ones, and a request may be tried again with its id. */
  readonly jobId: string;
}

/** @throws {EngineError} REJECTED for names that the engine does not have. */
export function promptRequest(
  job: EngineJob,
  workflow: Workflow,
  catalogue: Catalogue,
  ids: AttemptIds,
): PromptRequest {
  const loras = job.loras.map((lora) => ({ ...lora, file: known(catalogue.loras, lora.name, 'LoRA') }));
  const choice = job.sampler === '' ? undefined : catalogue.samplers.get(job.sampler);
  const values = new Map<string, string | number>([
    ['prompt', job.prompt],
    ['negative_prompt', job.negativePrompt],
    ['model', takes(workflow, 'model') ? known(catalogue.models, job.model, 'model') : ''],
    ['width', job.width],
    ['height', job.height],
    ['seed', job.seed],
    ['steps', job.steps],
    ['guidance_scale', job.guidanceScale],
    ['sampler', choice?.sampler ?? workflow.defaults.sampler],
    ['scheduler', choice?.scheduler ?? workflow.defaults.scheduler],
    ['job_id', ids.jobId],
  ]);
  return {
    prompt: fillWorkflow(workflow, values, loras),
    client_id: ids.clientId,
    prompt_id: ids.jobId,
    extra_data: { preview_method: job.includePreviews ? 'auto' : 'none' },
  };
}

function known(files: ReadonlyMap<string, string>, name: string, kind: string): string {
  const file = files.get(name);
  if (file === undefined)
    throw engineError('REJECTED', `a ${kind} of the job is not in the list of the engine`);
  return file;
}
