/**
 * AUTOMATIC1111's API as documented (reference api-and-engines § 3.1), without a GPU. Strict: an unknown field or a
 * wrong type is 422. `node dist/test/_support/engines/sdapi-simulator.js --port 7860` runs it alone.
 */
import { createHash, randomUUID } from 'node:crypto';
import sharp from 'sharp';
import {
  type EngineFault,
  ENGINE_SECRET,
  type EngineSimulator,
  type SimulatedJob,
} from './engine-simulator.ts';
import { type FieldType, fieldProblems } from './field-check.ts';
import { runWhenMain } from './run-simulator.ts';
import { createSimulatedGpu, type SimulatedGpu } from './simulated-gpu.ts';
import { drip, type SimulatedAnswer, type SimulatedRequest, startSimulatorHttp } from './simulator-http.ts';
import { spoiledBase64 } from './spoiled-picture.ts';

export interface SdapiSimulatorOptions {
  readonly port?: number;
  readonly stepMs?: number;
  /** `webui`: A1111 and Forge. `global`: one that knows no task ids. `bare`: the Draw Things app, one route. */
  readonly flavour?: 'webui' | 'global' | 'bare';
  /** LoRA names. */
  readonly loras?: readonly string[];
  /** Whether it tells the LoRAs it has applied. */
  readonly tellsLoras?: boolean;
  /** Applies no LoRA at all, without a word, as Forge does when one of them is broken. */
  readonly dropsLoras?: boolean;
  /** HTTP Basic login it asks for, as `user:password`. */
  readonly login?: string;
}

/** More than the controls every simulator has. */
export interface SdapiSimulator extends EngineSimulator {
  /** Runs a job of another user of the same engine. */
  foreignJob(steps: number): { readonly state: string };
  /** A LoRA is put beside the engine; it is listed after refresh-loras. */
  addLora(name: string): void;
  /** Interrupts received. */
  readonly interrupts: number;
  /** Bodies of txt2img as they came. */
  readonly bodies: readonly Readonly<Record<string, unknown>>[];
}

const SAMPLERS = ['DPM++ 2M', 'Euler', 'Euler a'];
const SCHEDULERS = ['Automatic', 'Karras'];
const MODELS = [
  { title: 'dreamshaper_8.safetensors [879db523c3]', model_name: 'dreamshaper_8', hash: '879db523c3' },
  { title: 'sd_xl_base_1.0.safetensors [31e35c80fc]', model_name: 'sd_xl_base_1.0', hash: '31e35c80fc' },
];
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

export async function startSdapiSimulator(options: SdapiSimulatorOptions = {}): Promise<SdapiSimulator> {
  const gpu = createSimulatedGpu({ ...(options.stepMs === undefined ? {} : { stepMs: options.stepMs }) });
  const world: World = {
    gpu,
    options,
    listed: [...(options.loras ?? ['inkstyle', 'watercolour'])],
    onDisk: [...(options.loras ?? ['inkstyle', 'watercolour'])],
    loaded: MODELS[0]?.title ?? '',
    fault: undefined,
    interrupts: 0,
    bodies: [],
    foreign: new Set(),
  };
  const respond = async (request: SimulatedRequest): Promise<SimulatedAnswer | undefined> => {
    if (!hasLogin(request, options.login))
      return { status: 401, json: { detail: 'Incorrect username or password' } };
    const route = `${request.method} ${request.path}`;
    if (route === 'POST /sdapi/v1/txt2img') return txt2img(world, request);
    return options.flavour === 'bare' ? undefined : question(world, route, request);
  };
  const http = await startSimulatorHttp(
    respond,
    { status: 404, json: { detail: 'Not Found' } },
    options.port ?? 0,
  );
  return {
    url: http.url,
    get jobs() {
      return gpu.jobs.filter(({ id }) => !world.foreign.has(id));
    },
    get sockets() {
      return http.sockets;
    },
    get interrupts() {
      return world.interrupts;
    },
    bodies: world.bodies,
    hold: () => gpu.hold(),
    letGo: () => gpu.letGo(),
    spoil(fault) {
      world.fault = fault;
    },
    foreignJob(steps) {
      const id = randomUUID();
      world.foreign.add(id);
      return gpu.submit(id, { ...FOREIGN, steps }).job;
    },
    addLora: (name) => void world.onDisk.push(name),
    async kill() {
      gpu.reset();
      await http.kill();
    },
    restart: () => http.restart(),
    async close() {
      gpu.reset();
      await http.close();
    },
  };
}

interface World {
  readonly gpu: SimulatedGpu;
  readonly options: SdapiSimulatorOptions;
  listed: string[];
  readonly onDisk: string[];
  loaded: string;
  fault: EngineFault | undefined;
  interrupts: number;
  readonly bodies: Record<string, unknown>[];
  /** Ids of jobs of others. */
  readonly foreign: Set<string>;
}

const FOREIGN: SimulatedJob = {
  prompt: 'of somebody else',
  negativePrompt: '',
  width: 64,
  height: 64,
  seed: 1,
  steps: 1,
  guidanceScale: 7,
  sampler: 'Euler',
  model: 'dreamshaper_8',
  loras: [],
};

function hasLogin({ headers }: SimulatedRequest, login: string | undefined): boolean {
  return login === undefined || headers.authorization === `Basic ${Buffer.from(login).toString('base64')}`;
}

async function question(
  world: World,
  route: string,
  request: SimulatedRequest,
): Promise<SimulatedAnswer | undefined> {
  switch (route) {
    case 'GET /sdapi/v1/sd-models':
      return {
        status: 200,
        json: MODELS.map((model) => ({ ...model, sha256: null, filename: '/srv/models/x', config: null })),
      };
    case 'GET /sdapi/v1/options':
      return {
        status: 200,
        json: {
          sd_model_checkpoint: world.loaded,
          lora_add_hashes_to_infotext: world.options.tellsLoras ?? true,
          samples_format: 'png',
        },
      };
    case 'GET /sdapi/v1/samplers':
      return { status: 200, json: SAMPLERS.map((name) => ({ name, aliases: [], options: {} })) };
    case 'GET /sdapi/v1/schedulers':
      return {
        status: 200,
        json: SCHEDULERS.map((label) => ({
          name: label.toLowerCase(),
          label,
          aliases: null,
          default_rho: -1,
          need_inner_model: false,
        })),
      };
    case 'GET /sdapi/v1/loras':
      return {
        status: 200,
        json: world.listed.map((name) => ({
          name,
          alias: name,
          path: `/srv/loras/${name}.safetensors`,
          metadata: {},
        })),
      };
    case 'POST /sdapi/v1/refresh-loras':
      world.listed = [...world.onDisk];
      return { status: 200, json: null };
    case 'POST /sdapi/v1/interrupt':
      world.interrupts += 1;
      world.gpu.interruptCurrent();
      return { status: 200, json: {} };
    case 'POST /internal/progress':
      return world.options.flavour === 'global' ? undefined : taskProgress(world.gpu, request);
    case 'GET /sdapi/v1/progress':
      return globalProgress(world.gpu);
    default:
      return undefined;
  }
}

/** modules/progress.py */
async function taskProgress(gpu: SimulatedGpu, { body }: SimulatedRequest): Promise<SimulatedAnswer> {
  const fields = (body ?? {}) as Record<string, unknown>;
  const problems = fieldProblems(
    fields,
    { id_task: 'string', id_live_preview: 'integer', live_preview: 'boolean' },
    ['id_task'],
  );
  if (problems.length > 0) return unprocessable(problems);
  const job = gpu.jobs.findLast(({ id }) => id === fields['id_task']);
  const active = job !== undefined && gpu.current === job;
  const queued = job?.state === 'queued';
  const idle = { active, queued, completed: job?.state === 'done', progress: null, eta: null };
  if (!active)
    return {
      status: 200,
      json: {
        ...idle,
        live_preview: null,
        id_live_preview: -1,
        textinfo: queued ? 'In queue: 1/1' : 'Waiting...',
      },
    };
  const wanted = fields['live_preview'] === true && job.step > 0 && job.step !== fields['id_live_preview'];
  const live_preview = wanted
    ? `data:image/jpeg;base64,${(await preview(job.step)).toString('base64')}`
    : null;
  const progress = job.step / job.steps;
  return {
    status: 200,
    json: {
      ...idle,
      progress,
      live_preview,
      id_live_preview: wanted ? job.step : fields['id_live_preview'],
      textinfo: null,
    },
  };
}

const preview = (step: number): Promise<Buffer> =>
  sharp({ create: { width: 32, height: 32, channels: 3, background: { r: step * 8, g: 90, b: 120 } } })
    .jpeg()
    .toBuffer();

function globalProgress(gpu: SimulatedGpu): SimulatedAnswer {
  const job = gpu.current;
  const state = {
    skipped: false,
    interrupted: false,
    job: job === undefined ? '' : 'scripts_txt2img',
    job_count: job === undefined ? 0 : 1,
    job_no: 0,
    sampling_step: job?.step ?? 0,
    sampling_steps: job?.steps ?? 0,
  };
  const progress = job === undefined ? 0 : job.step / job.steps;
  return { status: 200, json: { progress, eta_relative: 1, state, current_image: null, textinfo: null } };
}

async function txt2img(world: World, request: SimulatedRequest): Promise<SimulatedAnswer> {
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
  // A client that goes away changes nothing: the work goes on.
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
  switch (fault) {
    case 'html':
      return { status: 200, raw: { type: 'text/html', body: `<html>${ENGINE_SECRET}</html>` } };
    case 'too-many-requests':
      return { status: 429, json: { detail: ENGINE_SECRET } };
    case 'out-of-memory':
      return failed('OutOfMemoryError', 'CUDA out of memory. Tried to allocate 2.00 GiB');
    case 'exception':
      return failed('RuntimeError', `Sizes of tensors must match except in dimension 1 for ${prompt}`);
    default:
      return undefined;
  }
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

const unprocessable = (problems: ReturnType<typeof fieldProblems>): SimulatedAnswer => ({
  status: 422,
  json: {
    detail: problems.map(({ field, kind, expected }) => ({
      loc: ['body', field],
      msg: kind === 'unknown' ? 'extra fields not permitted' : `${kind}: ${expected ?? ''}`,
      type: `value_error.${kind}`,
    })),
  },
});

await runWhenMain(import.meta.url, startSdapiSimulator);
