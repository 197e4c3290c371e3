/** Reads a workflow file and says everything that is wrong with it. */
import { at, listAt, numberAt, textAt } from '../http/json-reading.ts';
import { placeholdersIn } from './placeholders.ts';
import {
  type Graph,
  isLoraPlaceholder,
  linksOf,
  type ModelFamily,
  type Placeholder,
  PLACEHOLDERS,
  REQUIRED_PLACEHOLDERS,
  type Use,
  type Workflow,
  type WorkflowDefaults,
  type WorkflowNode,
} from './workflow.ts';

/** What is not said in a file that is a bare graph. */
const DEFAULTS: WorkflowDefaults = {
  width: 1_024,
  height: 1_024,
  steps: 20,
  guidanceScale: 7,
  sampler: 'euler',
  scheduler: 'normal',
  model: '',
};

/** The workflow, or what is wanted of the file, each as "a workflow …". */
export type ReadWorkflow =
  | { readonly workflow: Workflow }
  | { readonly expected: readonly [string, ...string[]] };

/**
 * Reads a workflow: a graph as ComfyUI's "Export (API)" writes it, or an object that has it as `nodes`, beside
 * `defaults`, `families` and `model_name_contains`.
 */
export function readWorkflow(name: string, text: string): ReadWorkflow {
  const file = parsed(text);
  const graph = at(file, 'nodes', 'class_type') === undefined ? (at(file, 'nodes') ?? file) : file;
  if (typeof graph !== 'object' || graph === null || Array.isArray(graph)) {
    return { expected: ['a workflow as JSON, as "Export (API)" writes it'] };
  }
  const broken = Object.entries(graph).flatMap(([id, node]) => (isNode(node) ? [] : [id]));
  if (broken.length > 0 || Object.keys(graph).length === 0) {
    const which = broken.length === 0 ? '' : `, also ${broken.slice(0, 5).map(quoted).join(', ')}`;
    return { expected: [`a workflow of nodes with class_type and inputs${which} (use "Export (API)")`] };
  }
  const nodes = graph as Graph;
  const { uses, unknown } = findUses(nodes);
  const loraNodes = [
    ...new Set(uses.flatMap((use) => (isLoraPlaceholder(use.placeholder) ? [use.nodeId] : []))),
  ];
  const [first, ...more] = [
    ...unknown,
    ...missingPlaceholders(uses),
    ...loraFaults(nodes, uses, loraNodes),
    ...linkFaults(nodes, loraNodes[0]),
  ];
  if (first !== undefined) return { expected: [first, ...more] };
  return {
    workflow: {
      name,
      nodes,
      uses,
      loraNodeId: loraNodes[0],
      defaults: { ...DEFAULTS, ...readDefaults(at(file, 'defaults')) },
      families: listAt(file, 'families').map(readFamily),
      modelWords: words(file),
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isNode(node: unknown): node is WorkflowNode {
  const inputs = at(node, 'inputs');
  return textAt(node, 'class_type') !== undefined && typeof inputs === 'object' && inputs !== null;
}

const isPlaceholder = (name: string): name is Placeholder =>
  (PLACEHOLDERS as readonly string[]).includes(name);

const quoted = (id: string): string => `node ${JSON.stringify(id)}`;
const braced = (name: string): string => `{{${name}}}`;

function findUses(nodes: Graph): { uses: Use[]; unknown: string[] } {
  const uses: Use[] = [];
  const unknown: string[] = [];
  for (const [nodeId, node] of Object.entries(nodes)) {
    for (const [input, value] of Object.entries(node.inputs)) {
      for (const { name, whole } of placeholdersIn(value)) {
        if (isPlaceholder(name)) uses.push({ placeholder: name, nodeId, input, whole });
        else unknown.push(`a workflow without ${braced(name)}, which ${quoted(nodeId)} has in ${input}`);
      }
    }
  }
  return { uses, unknown };
}

function missingPlaceholders(uses: readonly Use[]): string[] {
  return REQUIRED_PLACEHOLDERS.filter((name) => !uses.some(({ placeholder }) => placeholder === name)).map(
    (name) =>
      name === 'job_id'
        ? 'a workflow with {{job_id}} in the filename_prefix of its SaveImage node'
        : `a workflow with ${braced(name)} in it`,
  );
}

function loraFaults(nodes: Graph, uses: readonly Use[], loraNodes: readonly string[]): string[] {
  const [loraNode, ...others] = loraNodes;
  const node = loraNode === undefined ? undefined : nodes[loraNode];
  if (loraNode === undefined || node === undefined) return [];
  const faults = others.map((id) => `a workflow with one LoRA node, not ${quoted(id)} as well`);
  const named = uses.filter(({ nodeId }) => nodeId === loraNode).map(({ placeholder }) => placeholder);
  for (const name of ['lora.name', 'lora.strength'] as const) {
    if (!named.includes(name)) faults.push(`a workflow with ${braced(name)} in ${quoted(loraNode)}`);
  }
  if (linksOf(node).length === 0) {
    faults.push(`a workflow in which ${quoted(loraNode)} is linked to what loads the model`);
  }
  return faults;
}

function linkFaults(nodes: Graph, loraNode: string | undefined): string[] {
  return Object.entries(nodes).flatMap(([id, node]) =>
    linksOf(node).flatMap(([from, slot]) => {
      const source = nodes[from];
      if (source === undefined) return [`a workflow with ${quoted(from)}, which ${quoted(id)} is linked to`];
      const passedOn = from === loraNode ? linksOf(source).length : Number.POSITIVE_INFINITY;
      return slot < passedOn ? [] : [`a workflow whose LoRA node passes on output ${slot} to ${quoted(id)}`];
    }),
  );
}

function readDefaults(value: unknown): Partial<WorkflowDefaults> {
  const numbers = [
    ['width', numberAt(value, 'width')],
    ['height', numberAt(value, 'height')],
    ['steps', numberAt(value, 'steps')],
    ['guidanceScale', numberAt(value, 'guidance_scale')],
    ['sampler', textAt(value, 'sampler')],
    ['scheduler', textAt(value, 'scheduler')],
    ['model', textAt(value, 'model')],
  ] as const;
  return Object.fromEntries(numbers.filter(([, found]) => found !== undefined));
}

const words = (value: unknown): string[] =>
  listAt(value, 'model_name_contains').filter((word): word is string => typeof word === 'string');

const readFamily = (value: unknown): ModelFamily => ({
  words: words(value),
  defaults: readDefaults(at(value, 'defaults')),
});
