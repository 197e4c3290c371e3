/** How the programs that speak the OpenAI images protocol differ, as their sources say (reference §§ 1b and 3.2). */
import type { FieldProblem, FieldType } from './field-check.ts';

export type OpenaiFlavour = 'openai' | 'vllm-omni' | 'sglang' | 'localai' | 'ovms' | 'lemonade';

export interface Flavour {
  /** Where the routes are. */
  readonly base: string;
  /** Fields beside prompt, model and size. */
  readonly fields: Readonly<Record<string, FieldType>>;
  readonly required: readonly string[];
  readonly names: {
    readonly seed?: string;
    readonly steps?: string;
    readonly guidance?: readonly string[];
  };
  /** What `GET models` lists. */
  readonly models: readonly Readonly<Record<string, unknown>>[];
  /** A connection that goes takes its work with it. */
  readonly minds: boolean;
  /** Body of an error. */
  readonly error: (status: number, message: string, param?: string, code?: string) => unknown;
}

const openaiError = (status: number, message: string, param?: string, code?: string) => ({
  error: {
    message,
    type: status < 500 ? 'invalid_request_error' : 'server_error',
    param: param ?? null,
    code: code ?? null,
  },
});
const fastApiError = (status: number, message: string, param?: string) => ({
  detail: status === 422 ? [{ loc: ['body', param], msg: message, type: 'value_error' }] : message,
});

const model = (id: string, owner: string, more = {}) => ({
  id,
  object: 'model',
  created: 1_700_000_000,
  owned_by: owner,
  ...more,
});

const OMNI_FIELDS: Flavour['fields'] = {
  response_format: 'string',
  output_format: 'string',
  negative_prompt: 'string',
  num_inference_steps: 'integer',
  guidance_scale: 'number',
  true_cfg_scale: 'number',
  seed: 'integer',
};
const OMNI_NAMES = {
  seed: 'seed',
  steps: 'num_inference_steps',
  guidance: ['guidance_scale', 'true_cfg_scale'],
} as const;

export const FLAVOURS: Readonly<Record<OpenaiFlavour, Flavour>> = {
  openai: {
    base: '/v1',
    fields: {
      response_format: 'string',
      output_format: 'string',
      stream: 'boolean',
      partial_images: 'integer',
    },
    required: ['prompt'],
    names: {},
    models: [
      model('gpt-4.1', 'openai'),
      model('dall-e-2', 'system'),
      model('gpt-image-1', 'system'),
      model('gpt-image-2', 'system'),
      model('dall-e-3', 'system'),
      model('studio-image', 'user-7'),
    ],
    minds: true,
    error: openaiError,
  },
  'vllm-omni': {
    base: '/v1',
    fields: { ...OMNI_FIELDS, lora: 'object' },
    required: ['prompt'],
    names: OMNI_NAMES,
    models: [model('Qwen/Qwen-Image', 'vllm', { root: 'Qwen/Qwen-Image', parent: null })],
    minds: false,
    error: fastApiError,
  },
  sglang: {
    base: '/v1',
    fields: OMNI_FIELDS,
    required: ['prompt'],
    names: OMNI_NAMES,
    models: [model('black-forest-labs/FLUX.1-dev', 'sglang', { num_gpus: 1, task_type: 'T2I' })],
    minds: false,
    error: fastApiError,
  },
  localai: {
    base: '/v1',
    fields: { response_format: 'string', step: 'integer', seed: 'integer' },
    required: ['prompt', 'model'],
    names: { seed: 'seed', steps: 'step' },
    models: [{ id: 'stablediffusion', object: 'model' }],
    minds: true,
    error: (status, message) => ({ error: { code: status, message, type: '' } }),
  },
  ovms: {
    base: '/v3',
    fields: {
      response_format: 'string',
      negative_prompt: 'string',
      num_inference_steps: 'integer',
      guidance_scale: 'number',
      rng_seed: 'integer',
    },
    required: ['prompt', 'model'],
    names: { seed: 'rng_seed', steps: 'num_inference_steps', guidance: ['guidance_scale'] },
    models: [model('OpenVINO/stable-diffusion-v1-5', 'OVMS')],
    minds: false,
    error: (_, message) => ({ error: `Mediapipe execution failed. MP status - ${message}` }),
  },
  lemonade: {
    base: '/api/v1',
    fields: { response_format: 'string', steps: 'integer', cfg_scale: 'number', seed: 'integer' },
    required: ['prompt', 'model'],
    names: { seed: 'seed', steps: 'steps', guidance: ['cfg_scale'] },
    models: [
      model('Qwen3-0.6B-GGUF', 'lemonade', { labels: ['reasoning'] }),
      model('SD-Turbo', 'lemonade', {
        labels: ['image'],
        image_defaults: { steps: 4, cfg_scale: 1, width: 512, height: 512 },
      }),
    ],
    minds: false,
    error: (_, message) => ({ error: { message, type: 'backend_error' } }),
  },
};

export const problemText = ({ field, kind }: FieldProblem): string =>
  kind === 'unknown' ? `Unknown parameter: '${field}'.` : `Invalid '${field}': ${kind}.`;

const FIXED_SIZES: Readonly<Record<string, readonly string[]>> = {
  'dall-e-2': ['256x256', '512x512', '1024x1024'],
  'dall-e-3': ['1024x1024', '1792x1024', '1024x1792'],
  'gpt-image-1': ['1024x1024', '1536x1024', '1024x1536'],
};

/** What OpenAI's models do not take, as the name of the parameter. */
export function modelProblem(body: Readonly<Record<string, unknown>>): string | undefined {
  const id = String(body['model']);
  const isGpt = id.startsWith('gpt-image');
  if (isGpt && body['response_format'] !== undefined) return 'response_format';
  if (!isGpt && body['output_format'] !== undefined) return 'output_format';
  if (!isGpt && body['stream'] !== undefined) return 'stream';
  const size = String(body['size']);
  if (FIXED_SIZES[id]?.includes(size) === false) return 'size';
  const [width = 0, height = 0] = size.split('x').map(Number);
  return id === 'gpt-image-2' && width * height < 655_360 ? 'size' : undefined;
}
