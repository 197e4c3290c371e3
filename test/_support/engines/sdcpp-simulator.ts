/**
 * stable-diffusion.cpp's sd-server as seen running (reference api-and-engines § 3.4), by its own job protocol. Stricter
 * than the server, which ignores what it does not know: an unknown field or a wrong type is 400.
 */
import {
  type EngineFault,
  ENGINE_SECRET,
  type EngineSimulator,
  type SimulatedJob,
} from './engine-simulator.ts';
import { type FieldType, fieldProblems } from './field-check.ts';
import { runWhenMain } from './run-simulator.ts';
import { createSimulatedGpu, type SubmittedJob } from './simulated-gpu.ts';
import { type ControlledWorld, simulatorControls } from './simulator-controls.ts';
import { drip, type SimulatedAnswer, type SimulatedRequest, startSimulatorHttp } from './simulator-http.ts';
import { spoiledBase64 } from './spoiled-picture.ts';

interface World extends ControlledWorld {
  readonly jobs: Map<string, SubmittedJob & { readonly fault: EngineFault | undefined }>;
  nextId: number;
}

const LORAS = ['inkstyle', 'watercolour'].map((name) => ({ name, path: `styles/${name}.safetensors` }));
const SAMPLERS = ['euler', 'euler_a', 'dpm++2m'];
const SCHEDULERS = ['discrete', 'karras'];
const MODEL = 'sd_xs_512';
const IMG_GEN: Readonly<Record<string, FieldType>> = {
  prompt: 'string',
  negative_prompt: 'string',
  width: 'integer',
  height: 'integer',
  seed: 'integer',
  batch_count: 'integer',
  sample_params: 'object',
  lora: 'array',
  embed_image_metadata: 'boolean',
  output_format: 'string',
};
const SAMPLE_PARAMS: Readonly<Record<string, FieldType>> = {
  sample_steps: 'integer',
  sample_method: 'string',
  scheduler: 'string',
  guidance: 'object',
};

export async function startSdCppSimulator(
  options: { readonly port?: number; readonly stepMs?: number } = {},
): Promise<EngineSimulator> {
  const gpu = createSimulatedGpu(options.stepMs === undefined ? {} : { stepMs: options.stepMs });
  const world: World = { gpu, jobs: new Map(), fault: undefined, nextId: 1 };
  // The real server answers unknown routes with 404 and nothing else.
  const http = await startSimulatorHttp(
    (request) => respond(world, request),
    { status: 404 },
    options.port ?? 0,
  );
  return simulatorControls(world, http, () => world.jobs.clear());
}

async function respond(world: World, request: SimulatedRequest): Promise<SimulatedAnswer | undefined> {
  const { method, path } = request;
  if (method === 'GET' && path === '/sdcpp/v1/capabilities') return { status: 200, json: CAPABILITIES };
  if (method === 'GET' && path === '/sdapi/v1/samplers') {
    return { status: 200, json: SAMPLERS.map((name) => ({ name, aliases: [name], options: {} })) };
  }
  if (method === 'POST' && path === '/sdcpp/v1/img_gen') return submit(world, request);
  const [, id = '', cancel] = /^\/sdcpp\/v1\/jobs\/([^/]+)(\/cancel)?$/.exec(path) ?? [];
  const job = world.jobs.get(id);
  if (id === '') return undefined;
  if (job === undefined) return { status: 404, json: { error: 'job not found' } };
  if (method === 'GET' && cancel === undefined) return state(id, job);
  if (method !== 'POST' || cancel === undefined) return undefined;
  if (job.job.state === 'running') {
    return { status: 409, json: { error: 'job is currently generating and cannot be interrupted yet' } };
  }
  world.gpu.interrupt(id);
  return state(id, job);
}

const CAPABILITIES = {
  model: { name: MODEL, stem: MODEL, path: '/srv/models/sd_xs_512.safetensors' },
  current_mode: 'img_gen',
  supported_modes: ['img_gen'],
  defaults_by_mode: {
    img_gen: {
      width: 512,
      height: 512,
      seed: 42,
      sample_params: { sample_method: 'euler_a', sample_steps: 12, guidance: { txt_cfg: 7 } },
    },
  },
  features_by_mode: { img_gen: { cancel_queued: true, cancel_generating: false } },
  samplers: SAMPLERS,
  schedulers: SCHEDULERS,
  loras: LORAS,
  limits: {
    min_width: 64,
    max_width: 4096,
    min_height: 64,
    max_height: 4096,
    max_batch_count: 8,
    max_queue_size: 64,
  },
};

function submit(world: World, { body }: SimulatedRequest): SimulatedAnswer {
  const { fault } = world;
  world.fault = undefined;
  if (fault === 'html')
    return { status: 200, raw: { type: 'text/html', body: `<html>${ENGINE_SECRET}</html>` } };
  if (fault === 'too-many-requests') return { status: 429, json: { error: 'job queue is full' } };
  const fields = (body ?? {}) as Record<string, unknown>;
  const params = (fields['sample_params'] ?? {}) as Record<string, unknown>;
  const problems = [...fieldProblems(fields, IMG_GEN, ['prompt']), ...fieldProblems(params, SAMPLE_PARAMS)];
  if (problems.length > 0)
    return { status: 400, json: { error: `invalid generation parameters: ${problems[0]?.field}` } };
  const job = understood(fields, params);
  if (job === undefined) return { status: 400, json: { error: 'invalid generation parameters' } };
  const id = `job_${world.nextId}`;
  world.nextId += 1;
  world.jobs.set(id, { ...world.gpu.submit(id, job), fault });
  return {
    status: 202,
    json: { id, kind: 'img_gen', status: 'queued', created: 1, poll_url: `/sdcpp/v1/jobs/${id}` },
  };
}

/** Undefined for a LoRA whose path is not listed. */
function understood(
  fields: Readonly<Record<string, unknown>>,
  params: Readonly<Record<string, unknown>>,
): SimulatedJob | undefined {
  const asked = (fields['lora'] ?? []) as readonly { readonly path: string; readonly multiplier: number }[];
  const loras = asked.flatMap(({ path, multiplier }) => {
    const known = LORAS.find((lora) => lora.path === path);
    return known === undefined
      ? []
      : [{ name: known.name, strength: multiplier, textEncoderStrength: multiplier }];
  });
  if (loras.length < asked.length) return undefined;
  const up = (side: unknown): number => Math.ceil(((side ?? 512) as number) / 64) * 64;
  const guidance = (params['guidance'] ?? {}) as { readonly txt_cfg?: number };
  const scheduler = params['scheduler'] as string | undefined;
  const method = (params['sample_method'] ?? 'euler_a') as string;
  return {
    prompt: fields['prompt'] as string,
    negativePrompt: (fields['negative_prompt'] ?? '') as string,
    width: up(fields['width']),
    height: up(fields['height']),
    seed: (fields['seed'] ?? 42) as number,
    steps: Math.min(100, (params['sample_steps'] ?? 12) as number),
    guidanceScale: guidance.txt_cfg ?? 7,
    sampler: scheduler === undefined ? method : `${method} ${scheduler}`,
    model: MODEL,
    loras,
  };
}

const STATUS = {
  queued: 'queued',
  running: 'generating',
  done: 'completed',
  interrupted: 'cancelled',
} as const;

async function state(
  id: string,
  { job, picture, fault }: SubmittedJob & { readonly fault: EngineFault | undefined },
): Promise<SimulatedAnswer> {
  const frame = {
    id,
    kind: 'img_gen',
    created: 1,
    started: 1,
    completed: null,
    queue_position: 0,
    result: null,
    error: null,
  };
  const status = STATUS[job.state];
  if (status !== 'completed') return { status: 200, json: { ...frame, status } };
  if (fault === 'out-of-memory' || fault === 'exception') {
    const words =
      fault === 'exception' ? 'generate_image returned no results' : 'ggml: failed to allocate buffer';
    const message = `${words} for ${job.prompt} (${ENGINE_SECRET})`;
    return {
      status: 200,
      json: { ...frame, status: 'failed', error: { code: 'generation_failed', message } },
    };
  }
  const png = await picture;
  if (fault === 'slow-loris') return drip('application/json', '{"result":');
  const images =
    fault === 'no-image' || png === undefined
      ? []
      : [{ index: 0, b64_json: await spoiledBase64(png, fault) }];
  return { status: 200, json: { ...frame, status, result: { output_format: 'png', images } } };
}

await runWhenMain(import.meta.url, startSdCppSimulator);
