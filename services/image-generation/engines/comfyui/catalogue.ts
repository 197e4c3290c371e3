/** What an engine has for a workflow. */
import { EngineError } from '../../errors.ts';
import type { EngineCapabilities, EngineModel } from '../../image-engine.ts';
import { type SamplerChoice, samplerChoices } from '../http/sampler-choices.ts';
import { fileNames } from './file-names.ts';
import type { NodeInfo } from './node-info.ts';
import {
  holdsWord,
  takes,
  type Placeholder,
  wholeUse,
  type Workflow,
  type WorkflowDefaults,
} from './workflow.ts';

export interface Catalogue {
  readonly capabilities: EngineCapabilities;
  /** From the names that callers use to files. */
  readonly models: ReadonlyMap<string, string>;
  readonly loras: ReadonlyMap<string, string>;
  readonly samplers: ReadonlyMap<string, SamplerChoice>;
}

/** Larger pictures of these models repeat themselves, and few GPUs hold them. */
const MAX_SIDE = 2_048;
const MIN_SIDE = 64;
const MAX_STEPS = 150;
const MAX_GUIDANCE = 30;
/** Each is a node, and a file that is loaded. */
const MAX_LORAS = 32;
const MAX_LORA_STRENGTH = 10;

/**
 * Holds the workflow against what the engine has.
 * @throws {EngineError} FAILED when it lacks a class of nodes or a file that the workflow names.
 */
export function createCatalogue(workflow: Workflow, info: NodeInfo): Catalogue {
  const models = chosenFiles(workflow, info, 'model', workflow.modelWords);
  const lacking = [...lackingClasses(workflow, info), ...lackingFiles(workflow, info)];
  if (takes(workflow, 'model') && models.size === 0) lacking.push('a model for the workflow');
  if (lacking.length > 0) throw lacks(workflow, lacking);
  const loras = chosenFiles(workflow, info, 'lora.name', []);
  const samplers = samplersOf(workflow, info);
  return {
    models,
    loras,
    samplers,
    capabilities: capabilitiesOf(workflow, info, { models, loras, samplers }),
  };
}

const lacks = ({ name }: Workflow, lacking: readonly string[]): EngineError =>
  new EngineError('FAILED', 'the image engine lacks a part of the workflow it shall run', {
    cause: new Error(`workflow ${name}: the engine has not ${lacking.slice(0, 10).join('; ')}`),
  });

const lackingClasses = ({ nodes }: Workflow, info: NodeInfo): string[] =>
  [...new Set(Object.values(nodes).map((node) => node.class_type))]
    .filter((name) => !info.has(name))
    .map((name) => `the node class ${name}`);

/** What is written into the workflow and is not among the engine's choices. */
function lackingFiles({ nodes, uses }: Workflow, info: NodeInfo): string[] {
  const lacking: string[] = [];
  for (const [nodeId, node] of Object.entries(nodes)) {
    for (const [input, value] of Object.entries(node.inputs)) {
      const filled = uses.some((use) => use.nodeId === nodeId && use.input === input);
      const choices = typeof value === 'string' && !filled ? info.choices({ nodeId, input }) : undefined;
      if (choices !== undefined && !choices.includes(value as string)) {
        lacking.push(`${JSON.stringify(value)} for ${input} of node ${nodeId} (${node.class_type})`);
      }
    }
  }
  return lacking;
}

const choicesOf = (workflow: Workflow, info: NodeInfo, placeholder: Placeholder): readonly string[] => {
  const use = wholeUse(workflow, placeholder);
  return (use === undefined ? undefined : info.choices(use)) ?? [];
};

function chosenFiles(
  workflow: Workflow,
  info: NodeInfo,
  placeholder: Placeholder,
  words: readonly string[],
): ReadonlyMap<string, string> {
  const files = choicesOf(workflow, info, placeholder);
  return fileNames(words.length === 0 ? files : files.filter((file) => holdsWord(file, words)));
}

/** A sampler alone goes with the workflow's own scheduler. */
function samplersOf(workflow: Workflow, info: NodeInfo): ReadonlyMap<string, SamplerChoice> {
  const schedulers = choicesOf(workflow, info, 'scheduler');
  const { sampler, scheduler } = workflow.defaults;
  const usual = schedulers.includes(scheduler) ? scheduler : schedulers[0];
  const choices = samplerChoices(choicesOf(workflow, info, 'sampler'), schedulers, sampler);
  if (usual === undefined) return choices;
  return new Map([...choices].map(([name, choice]) => [name, { scheduler: usual, ...choice }]));
}

function capabilitiesOf(
  workflow: Workflow,
  info: NodeInfo,
  { models, loras, samplers }: Omit<Catalogue, 'capabilities'>,
): EngineCapabilities {
  const limits = (placeholder: Placeholder) => info.limits(wholeUse(workflow, placeholder));
  const sides = [limits('width'), limits('height')];
  const multiple = Math.max(...sides.map(({ step }) => step ?? 8));
  const maxSide = Math.min(MAX_SIDE, ...sides.map(({ max }) => max ?? MAX_SIDE));
  const minSide = Math.max(MIN_SIDE, ...sides.map(({ min }) => min ?? MIN_SIDE));
  const maxDimension = Math.floor(maxSide / multiple) * multiple;
  const names = [...models.keys()];
  const preferred = names.find((name) => models.get(name) === workflow.defaults.model);
  const [first = workflow.name, ...others] =
    preferred === undefined ? names : [preferred, ...names.filter((name) => name !== preferred)];
  const modelOf = (name: string): EngineModel => modelNamed(workflow, name, multiple, maxDimension);
  return {
    models: [modelOf(first), ...others.map(modelOf)],
    loras: [...loras.keys()].map((name) => ({ name, description: '' })),
    samplers: [...samplers.keys()],
    supportsTextEncoderStrength: takes(workflow, 'lora.text_encoder_strength'),
    minDimension: Math.ceil(minSide / multiple) * multiple,
    maxDimension,
    maxPixels: maxDimension ** 2,
    maxSteps: takes(workflow, 'steps') ? Math.min(MAX_STEPS, limits('steps').max ?? MAX_STEPS) : 0,
    takesNegativePrompt: takes(workflow, 'negative_prompt'),
    maxGuidanceScale: takes(workflow, 'guidance_scale')
      ? Math.min(MAX_GUIDANCE, limits('guidance_scale').max ?? MAX_GUIDANCE)
      : 0,
    maxLoras: loras.size === 0 ? 0 : MAX_LORAS,
    maxLoraStrength: Math.min(MAX_LORA_STRENGTH, limits('lora.strength').max ?? MAX_LORA_STRENGTH),
  };
}

function modelNamed(workflow: Workflow, name: string, multiple: number, maxDimension: number): EngineModel {
  const { width, height, steps, guidanceScale } = defaultsFor(workflow, name);
  const side = (pixels: number): number =>
    Math.min(maxDimension, Math.max(1, Math.round(pixels / multiple)) * multiple);
  return {
    name,
    dimensionMultiple: multiple,
    defaultWidth: side(width),
    defaultHeight: side(height),
    defaultSteps: takes(workflow, 'steps') ? steps : 0,
    defaultGuidanceScale: takes(workflow, 'guidance_scale') ? guidanceScale : 0,
    supportsNegativePrompt: takes(workflow, 'negative_prompt'),
    supportsGuidanceScale: takes(workflow, 'guidance_scale'),
  };
}

const defaultsFor = ({ defaults, families }: Workflow, model: string): WorkflowDefaults => ({
  ...defaults,
  ...families.find(({ words }) => holdsWord(model, words))?.defaults,
});
