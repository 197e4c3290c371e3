/** What ComfyUI finds wrong with a graph before it runs it, in the words of our contract. */
import type { Logger } from '../../../runtime/logger.ts';
import { type FieldViolation, InvalidRequestError, NotFoundError } from '../../errors.ts';
import type { EngineJob } from '../../image-engine.ts';
import type { EngineAnswer } from '../http/engine-connection.ts';
import { statusFailure } from '../http/engine-failure.ts';
import { engineWords } from '../http/engine-words.ts';
import { at, listAt, textAt } from '../http/json-reading.ts';
import { loraNodeId } from './fill-workflow.ts';
import type { Placeholder, Workflow } from './workflow.ts';

/** Fields of our contract by placeholder; the others hold nothing of the caller's. */
const OUR_FIELDS: Readonly<Partial<Record<Placeholder, string>>> = {
  prompt: 'prompt',
  negative_prompt: 'negative_prompt',
  model: 'model',
  width: 'width',
  height: 'height',
  seed: 'seed',
  steps: 'steps',
  guidance_scale: 'guidance_scale',
  sampler: 'sampler',
  scheduler: 'sampler',
};
const OUR_LORA_FIELDS: Readonly<Partial<Record<Placeholder, string>>> = {
  'lora.name': 'name',
  'lora.strength': 'strength',
  'lora.text_encoder_strength': 'text_encoder_strength',
};

interface NodeError {
  readonly nodeId: string;
  readonly type: string;
  readonly input: string;
}

/**
 * The error that a refusal means: NotFoundError for a LoRA or model that is gone, InvalidRequestError with every
 * field the engine does not take, EngineError for what is not the caller's doing.
 */
export function refusal(
  answer: EngineAnswer,
  value: unknown,
  workflow: Workflow,
  job: EngineJob,
  logger: Logger,
): Error {
  const errors = nodeErrors(value);
  const words = wordsOf(value, errors) || answer.body.toString('utf8', 0, 2_000);
  const prompts = [job.prompt, job.negativePrompt];
  const found = errors.map((error) => ({ error, place: placeOf(error, workflow, job) }));
  // One error that is not the caller's doing, and nothing the caller changes will help.
  const fields = found.flatMap(({ error, place }) => (place === undefined ? [] : [{ error, ...place }]));
  if (fields.length === 0 || fields.length < found.length) return statusFailure(answer, words, prompts);
  const said = engineWords(words, prompts);
  logger.info(
    { requestId: job.requestId, fields: fields.map(({ field }) => field), said },
    'image engine refused a value',
  );
  const gone = fields.find(
    ({ error, resource }) => error.type === 'value_not_in_list' && resource !== undefined,
  );
  if (gone?.resource !== undefined) return new NotFoundError(gone.resource.type, gone.resource.name);
  const [first, ...others] = fields.map(violation);
  return first === undefined
    ? statusFailure(answer, words, prompts)
    : new InvalidRequestError([first, ...others]);
}

/** `node_errors` of an answer to /prompt, also of one that took the rest of the graph. */
export function nodeErrors(value: unknown): NodeError[] {
  const byNode = at(value, 'node_errors');
  if (typeof byNode !== 'object' || byNode === null) return [];
  return Object.entries(byNode).flatMap(([nodeId, entry]) =>
    listAt(entry, 'errors').map((error) => ({
      nodeId,
      type: textAt(error, 'type') ?? '',
      input: textAt(error, 'extra_info', 'input_name') ?? '',
    })),
  );
}

interface Place {
  readonly field: string;
  readonly resource?: { readonly type: 'model' | 'lora'; readonly name: string };
}

/** The field whose value stands in an input; undefined for what the workflow itself says there. */
function placeOf({ nodeId, input }: NodeError, workflow: Workflow, job: EngineJob): Place | undefined {
  const { loraNodeId: loraId } = workflow;
  const index =
    loraId === undefined ? -1 : job.loras.findIndex((_, position) => loraNodeId(loraId, position) === nodeId);
  const use = workflow.uses.find(
    (one) => one.input === input && one.nodeId === (index < 0 ? nodeId : loraId),
  );
  if (use === undefined) return undefined;
  const loraField = OUR_LORA_FIELDS[use.placeholder];
  const lora = job.loras[index];
  if (lora !== undefined && loraField !== undefined) {
    const field = `loras[${index}].${loraField}`;
    return use.placeholder === 'lora.name'
      ? { field, resource: { type: 'lora', name: lora.name } }
      : { field };
  }
  const field = OUR_FIELDS[use.placeholder];
  if (field === undefined) return undefined;
  return field === 'model' ? { field, resource: { type: 'model', name: job.model } } : { field };
}

/** The engine's own words stay here. */
function violation({ error, field }: { readonly error: NodeError; readonly field: string }): FieldViolation {
  const description =
    error.type === 'value_smaller_than_min'
      ? 'is less than the image engine takes'
      : error.type === 'value_bigger_than_max'
        ? 'is more than the image engine takes'
        : 'the image engine does not take this value';
  return { field, reason: 'BACKEND_REJECTED', description };
}

function wordsOf(value: unknown, errors: readonly NodeError[]): string {
  const general = [
    textAt(value, 'error', 'type'),
    textAt(value, 'error', 'message'),
    textAt(value, 'error', 'details'),
  ];
  const nodes = errors.map(({ nodeId, type, input }) => `node ${nodeId} ${input}: ${type}`);
  return [...general, ...nodes].filter((part) => part !== undefined).join('; ');
}
