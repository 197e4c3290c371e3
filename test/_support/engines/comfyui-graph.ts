/** Graphs as the simulated ComfyUI checks and understands them: execution.py's validate_prompt, and stricter. */
import { basename } from 'node:path';
import type { InputSpec, NodeClass } from './comfyui-nodes.ts';
import type { SimulatedJob, SimulatedLora } from './engine-simulator.ts';

export interface GraphNode {
  readonly class_type: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}
export type SimulatedGraph = Readonly<Record<string, GraphNode>>;
type Classes = Readonly<Record<string, NodeClass>>;

export interface GraphRefusal {
  readonly error: Readonly<Record<string, unknown>>;
  readonly node_errors: Readonly<Record<string, unknown>>;
}

interface InputError {
  readonly type: string;
  readonly message: string;
  readonly details: string;
  readonly extra_info: Readonly<Record<string, unknown>>;
}

/** What the engine would answer; undefined for a good graph. */
export function refuseGraph(graph: SimulatedGraph, classes: Classes): GraphRefusal | undefined {
  for (const [id, node] of Object.entries(graph)) {
    if (classes[node.class_type] === undefined) {
      const message = `Node '${node.class_type}' not found. The custom node may not be installed.`;
      return {
        error: { type: 'missing_node_type', message, details: `Node ID '#${id}'`, extra_info: {} },
        node_errors: {},
      };
    }
  }
  if (!Object.values(graph).some((node) => classes[node.class_type]?.isOutput === true)) {
    return {
      error: { type: 'prompt_no_outputs', message: 'Prompt has no outputs', details: '', extra_info: {} },
      node_errors: {},
    };
  }
  const errors = Object.entries(graph).flatMap(([id, node]) => {
    const found = nodeErrors(node, graph, classes);
    return found.length === 0
      ? []
      : [[id, { errors: found, dependent_outputs: [], class_type: node.class_type }] as const];
  });
  if (errors.length === 0) return undefined;
  const details = errors.flatMap(([, { errors: found }]) =>
    found.map(({ message, details: more }) => `${message}: ${more}`),
  );
  return {
    error: {
      type: 'prompt_outputs_failed_validation',
      message: 'Prompt outputs failed validation',
      details: details.join('\n'),
      extra_info: {},
    },
    node_errors: Object.fromEntries(errors),
  };
}

function nodeErrors(node: GraphNode, graph: SimulatedGraph, classes: Classes): InputError[] {
  const specs = classes[node.class_type]?.inputs ?? {};
  const error = (type: string, input: string, details: string): InputError => ({
    type,
    message: type.replaceAll('_', ' '),
    details,
    extra_info: { input_name: input, received_value: node.inputs[input] },
  });
  // The engine itself passes over what it does not know.
  const unknown = Object.keys(node.inputs)
    .filter((input) => specs[input] === undefined)
    .map((input) => error('unknown_input', input, input));
  const wrong = Object.entries(specs).flatMap(([input, spec]) => {
    const value = node.inputs[input];
    if (value === undefined) return [error('required_input_missing', input, input)];
    const type = inputFault(value, spec, graph, classes);
    return type === undefined ? [] : [error(type, input, `${input}: ${JSON.stringify(value)}`)];
  });
  return [...unknown, ...wrong];
}

function inputFault(
  value: unknown,
  spec: InputSpec,
  graph: SimulatedGraph,
  classes: Classes,
): string | undefined {
  const [type, options] = spec;
  if (Array.isArray(value)) {
    const [from, slot] = value as [string, number];
    const source = classes[graph[from]?.class_type ?? ''];
    if (source === undefined) return 'bad_linked_input';
    return source.outputs[slot] === type ? undefined : 'return_type_mismatch';
  }
  const choices = typeof type === 'string' ? (options?.['options'] as readonly string[] | undefined) : type;
  if (choices !== undefined) return choices.includes(value as string) ? undefined : 'value_not_in_list';
  if (type === 'STRING') return typeof value === 'string' ? undefined : 'invalid_input_type';
  // The engine converts what it can.
  const fits = type === 'INT' ? Number.isInteger(value) : type === 'FLOAT' && Number.isFinite(value);
  if (!fits) return 'invalid_input_type';
  if ((value as number) < ((options?.['min'] as number | undefined) ?? -Infinity))
    return 'value_smaller_than_min';
  if ((value as number) > ((options?.['max'] as number | undefined) ?? Infinity))
    return 'value_bigger_than_max';
  return undefined;
}

/** The job that a good graph is, found by following its links back from the picture that is saved. */
export function jobOfGraph(graph: SimulatedGraph): SimulatedJob {
  const [save] = Object.values(graph).filter((node) => node.class_type === 'SaveImage');
  const sampler = source(graph, source(graph, save, 'images'), 'samples');
  const latent = source(graph, sampler, 'latent_image');
  const positive = source(graph, sampler, 'positive');
  const guidance = positive?.class_type === 'FluxGuidance' ? positive : undefined;
  const encode = guidance === undefined ? positive : source(graph, guidance, 'conditioning');
  const negative = source(graph, sampler, 'negative');
  const { loras, loader } = chain(graph, source(graph, sampler, 'model'));
  const textPath = encode?.inputs['clip'] as readonly [string, number];
  if (
    loras.length > 0 &&
    graph[textPath[0]]?.class_type === 'CheckpointLoaderSimple' &&
    guidance === undefined
  ) {
    throw new Error('the LoRAs do not reach the text encoder');
  }
  const scheduler = String(sampler?.inputs['scheduler']);
  const name = String(sampler?.inputs['sampler_name']);
  const usual = guidance === undefined ? 'normal' : 'simple';
  return {
    prompt: String(encode?.inputs['text']),
    negativePrompt: negative?.class_type === 'CLIPTextEncode' ? String(negative.inputs['text']) : '',
    width: Number(latent?.inputs['width']),
    height: Number(latent?.inputs['height']),
    seed: Number(sampler?.inputs['seed']),
    steps: Number(sampler?.inputs['steps']),
    guidanceScale: Number(guidance === undefined ? sampler?.inputs['cfg'] : guidance.inputs['guidance']),
    sampler: scheduler === usual ? name : `${name} ${scheduler}`,
    model: stem(loader?.inputs['ckpt_name'] ?? loader?.inputs['unet_name']),
    loras,
  };
}

/** LoRAs in the order in which they are applied, and what loads the model. */
function chain(
  graph: SimulatedGraph,
  last: GraphNode | undefined,
): { loras: SimulatedLora[]; loader: GraphNode | undefined } {
  const loras: SimulatedLora[] = [];
  let node = last;
  while (node?.inputs['lora_name'] !== undefined) {
    const strength = Number(node.inputs['strength_model']);
    const textEncoderStrength = Number(node.inputs['strength_clip'] ?? strength);
    loras.unshift({ name: stem(node.inputs['lora_name']), strength, textEncoderStrength });
    node = source(graph, node, 'model');
  }
  return { loras, loader: node };
}

const stem = (file: unknown): string => basename(String(file), '.safetensors');

const source = (graph: SimulatedGraph, node: GraphNode | undefined, input: string): GraphNode | undefined =>
  graph[(node?.inputs[input] as readonly [string, number] | undefined)?.[0] ?? ''];
