/** A ComfyUI graph with named placeholders in it: what is sent for a job, but for the job. */

/** What may stand in a workflow as `{{name}}`. */
export const PLACEHOLDERS = [
  'prompt',
  'negative_prompt',
  'model',
  'width',
  'height',
  'seed',
  'steps',
  'guidance_scale',
  'sampler',
  'scheduler',
  /** New for every attempt. In a file's name it keeps ComfyUI from finding that it has saved the picture before. */
  'job_id',
  'lora.name',
  'lora.strength',
  'lora.text_encoder_strength',
] as const;

export type Placeholder = (typeof PLACEHOLDERS)[number];

/** Without these a picture could not be what was asked for, or could not be found. */
export const REQUIRED_PLACEHOLDERS = ['prompt', 'width', 'height', 'seed', 'job_id'] as const;

export const isLoraPlaceholder = (name: Placeholder): boolean => name.startsWith('lora.');

/** A node as ComfyUI's "Export (API)" writes it. */
export interface WorkflowNode {
  readonly class_type: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** Nodes by id. */
export type Graph = Readonly<Record<string, WorkflowNode>>;

/** Output `slot` of another node. */
export type Link = readonly [nodeId: string, slot: number];

/** Where a placeholder stands. */
export interface Use {
  readonly placeholder: Placeholder;
  readonly nodeId: string;
  readonly input: string;
  /** It is the whole value, not a part of a text. */
  readonly whole: boolean;
}

/** What a job gets that does not say. */
export interface WorkflowDefaults {
  readonly width: number;
  readonly height: number;
  readonly steps: number;
  readonly guidanceScale: number;
  readonly sampler: string;
  readonly scheduler: string;
  /** File of the default model; empty for the first. */
  readonly model: string;
}

/** Other defaults for models whose name holds one of the words. */
export interface ModelFamily {
  readonly words: readonly string[];
  readonly defaults: Partial<WorkflowDefaults>;
}

/** A workflow that was checked. */
export interface Workflow {
  /** For logs and the archive record. */
  readonly name: string;
  readonly nodes: Graph;
  readonly uses: readonly Use[];
  /** The node that stands for a chain of as many as the job has LoRAs. Its k-th link leaves as its k-th output. */
  readonly loraNodeId: string | undefined;
  readonly defaults: WorkflowDefaults;
  /** The first that fits counts. */
  readonly families: readonly ModelFamily[];
  /** Only models whose name holds one of these are offered; empty for all. */
  readonly modelWords: readonly string[];
}

export const isLink = (value: unknown): value is Link =>
  Array.isArray(value) && value.length === 2 && typeof value[0] === 'string' && Number.isInteger(value[1]);

/** The links of a node, in the order of its inputs. */
export const linksOf = (node: WorkflowNode): Link[] => Object.values(node.inputs).filter(isLink);

/** The first place where a placeholder is the whole value of an input. */
export const wholeUse = ({ uses }: Workflow, placeholder: Placeholder): Use | undefined =>
  uses.find((use) => use.placeholder === placeholder && use.whole);

export const takes = ({ uses }: Workflow, placeholder: Placeholder): boolean =>
  uses.some((use) => use.placeholder === placeholder);

/** Whether a name holds one of the words, whatever the case. */
export const holdsWord = (name: string, words: readonly string[]): boolean =>
  words.some((word) => name.toLowerCase().includes(word.toLowerCase()));
