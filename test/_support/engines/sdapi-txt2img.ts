/** `POST /sdapi/v1/txt2img` as A1111 and Forge understand it. */
import { createHash, randomUUID } from 'node:crypto';
import { type EngineFault, ENGINE_SECRET, type SimulatedJob } from './engine-simulator.ts';
import { type FieldProblem, type FieldType, fieldProblems } from './field-check.ts';
import { MODELS, SAMPLERS, type World } from './sdapi-world.ts';
import { drip, type SimulatedAnswer, type SimulatedRequest } from './simulator-http.ts';
import { spoiledBase64 } from './spoiled-picture.ts';

const TXT2IMG: Readonly<Record<string, FieldType>> = {
  prompt: 'string',
  negative_prompt: 'string',
  width: 'integer',
  height: 'integer',
  seed: 'integer',
  subseed: 'integer',
  steps: 'integer',
  cfg_scale: 'number',
  sampler_name: 'string',
  scheduler: 'string',
  batch_size: 'integer',
  n_iter: 'integer',
  send_images: 'boolean',
  save_images: 'boolean',
  force_task_id: 'string',
  override_settings: 'object',
  override_settings_restore_afterwards: 'boolean',
};

/** Forge's grammar: extra_networks.py and extra_networks_lora.py. */
const NETWORK_TAG = /<(\w+):([^>]+)>/g;

/** Takes the job, does it, answers. A client that goes away changes nothing. */
export async function txt2img(world: World, request: SimulatedRequest): Promise<SimulatedAnswer> {
  const body = request.body as Record<string, unknown> | undefined;
  if (body === undefined) return unprocessable([{ field: 'body', kind: 'missing', expected: 'object' }]);
  world.bodies.push(body);
  const problems = fieldProblems(body, TXT2IMG, ['prompt']);
  if (problems.length > 0) return unprocessable(problems);
  const sampler = (body['sampler_name'] ?? 'Euler') as string;
  if (!SAMPLERS.includes(sampler)) return { status: 404, json: { detail: 'Sampler not found' } };
  const job = understood(world, body, sampler);
  const fault = world.fault;
  world.fault = undefined;
  const refused = faultAnswer(fault, job.prompt);
  if (refused !== undefined) return refused;
  const id = (body['force_task_id'] ?? randomUUID()) as string;
  const submitted = world.gpu.submit(id, job);
  const png = await submitted.picture;
  const images = fault === 'no-image' || png === undefined ? [] : [await spoiledBase64(png, fault)];
  if (fault === 'slow-loris') return drip('application/json', '{"images":["');
  return { status: 200, json: { images, parameters: body, info: JSON.stringify(infoOf(world, job)) } };
}

function faultAnswer(fault: EngineFault | undefined, prompt: string): SimulatedAnswer | undefined {
  const failed = (error: string, errors: string): SimulatedAnswer => ({
    status: 500,
    json: {
      error,
      detail: '',
      body: `{"prompt": ${JSON.stringify(prompt)}}`,
      errors: `${errors} in ${ENGINE_SECRET}`,
    },
  });
  if (fault === 'html')
    return { status: 200, raw: { type: 'text/html', body: `<html>${ENGINE_SECRET}</html>` } };
  if (fault === 'too-many-requests') return { status: 429, json: { detail: ENGINE_SECRET } };
  if (fault === 'out-of-memory') {
    return failed('OutOfMemoryError', 'CUDA out of memory. Tried to allocate 2.00 GiB');
  }
  return fault === 'exception'
    ? failed('RuntimeError', `Sizes of tensors must match except in dimension 1 for ${prompt}`)
    : undefined;
}

/** What the engine makes of a body: tags are taken out of the prompt, unknown LoRAs are left out without a word. */
function understood(world: World, body: Readonly<Record<string, unknown>>, sampler: string): SimulatedJob {
  const text = body['prompt'] as string;
  const tags = [...text.matchAll(NETWORK_TAG)].filter(([, kind]) => kind === 'lora');
  const override = (body['override_settings'] ?? {}) as Record<string, unknown>;
  const title = override['sd_model_checkpoint'] ?? world.loaded;
  const scheduler = body['scheduler'] as string | undefined;
  return {
    prompt: text.replaceAll(NETWORK_TAG, '').trim(),
    negativePrompt: (body['negative_prompt'] ?? '') as string,
    width: (body['width'] ?? 512) as number,
    height: (body['height'] ?? 512) as number,
    seed: (body['seed'] ?? -1) as number,
    steps: (body['steps'] ?? 50) as number,
    guidanceScale: (body['cfg_scale'] ?? 7) as number,
    sampler: scheduler === undefined ? sampler : `${sampler} ${scheduler}`,
    model: MODELS.find((model) => model.title === title)?.model_name ?? 'dreamshaper_8',
    loras: world.options.dropsLoras
      ? []
      : tags.map(([, , args = '']) => loraOf(args)).filter(({ name }) => world.listed.includes(name)),
  };
}

/** `name:te[:unet]` or `name:te=…:unet=…`; the UNet's strength defaults to the text encoder's. */
function loraOf(args: string): SimulatedJob['loras'][number] {
  const [name = '', ...rest] = args.split(':');
  const named = new Map(
    rest.filter((part) => part.includes('=')).map((part) => part.split('=') as [string, string]),
  );
  const positional = rest.filter((part) => !part.includes('='));
  const te = Number(named.get('te') ?? positional[0] ?? 1);
  return { name, textEncoderStrength: te, strength: Number(named.get('unet') ?? positional[1] ?? te) };
}

function infoOf(world: World, job: SimulatedJob): Record<string, unknown> {
  const hash = (name: string): string => createHash('sha256').update(name).digest('hex').slice(0, 12);
  const hashes = job.loras.map(({ name }) => `${name}: ${hash(name)}`).join(', ');
  const tells = (world.options.tellsLoras ?? true) && hashes !== '';
  return {
    prompt: job.prompt,
    all_prompts: [job.prompt],
    seed: job.seed,
    all_seeds: [job.seed],
    width: job.width,
    height: job.height,
    sampler_name: job.sampler,
    cfg_scale: job.guidanceScale,
    steps: job.steps,
    sd_model_name: job.model,
    sd_model_hash: '879db523c3',
    version: 'v1.10.1',
    infotexts: [`${job.prompt}\nSteps: ${job.steps}, Seed: ${job.seed}`],
    extra_generation_params: tells ? { 'Lora hashes': hashes } : {},
  };
}

/** FastAPI's answer to a body that does not fit. */
export const unprocessable = (problems: readonly FieldProblem[]): SimulatedAnswer => ({
  status: 422,
  json: {
    detail: problems.map(({ field, kind, expected }) => ({
      loc: ['body', field],
      msg: kind === 'unknown' ? 'extra fields not permitted' : `${kind}: ${expected ?? ''}`,
      type: `value_error.${kind}`,
    })),
  },
});
