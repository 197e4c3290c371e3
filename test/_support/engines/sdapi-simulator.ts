/**
 * AUTOMATIC1111's API as documented (reference api-and-engines § 3.1), without a GPU. Strict: an unknown field or a
 * wrong type is 422. `node dist/test/_support/engines/sdapi-simulator.js --port 7860` runs it alone.
 */
import sharp from 'sharp';
import { fieldProblems } from './field-check.ts';
import { runWhenMain } from './run-simulator.ts';
import { txt2img, unprocessable } from './sdapi-txt2img.ts';
import { MODELS, SAMPLERS, SCHEDULERS, type SdapiSimulatorOptions, type World } from './sdapi-world.ts';
import { createSimulatedGpu, type SimulatedGpu } from './simulated-gpu.ts';
import { type SharedEngineSimulator, sharedEngineControls, withControls } from './simulator-controls.ts';
import { type SimulatedAnswer, type SimulatedRequest, startSimulatorHttp } from './simulator-http.ts';

/** More than the controls every simulator has. */
export interface SdapiSimulator extends SharedEngineSimulator {
  /** A LoRA is put beside the engine; it is listed after refresh-loras. */
  addLora(name: string): void;
}

export async function startSdapiSimulator(options: SdapiSimulatorOptions = {}): Promise<SdapiSimulator> {
  const gpu = createSimulatedGpu(options.stepMs === undefined ? {} : { stepMs: options.stepMs });
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
  return withControls(sharedEngineControls(world, http, 'Euler'), {
    addLora: (name: string) => void world.onDisk.push(name),
  });
}

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

await runWhenMain(import.meta.url, startSdapiSimulator);
