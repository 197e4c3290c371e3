/**
 * `/v1/images/generations` of six programs, without a GPU. Strict: a field that the program does not know is an error.
 * `node dist/test/_support/engines/openai-simulator.js --port 8000` runs OpenAI's flavour alone.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import sharp from 'sharp';
import {
  type EngineFault,
  ENGINE_SECRET,
  type EngineSimulator,
  type SimulatedJob,
} from './engine-simulator.ts';
import { fieldProblems } from './field-check.ts';
import { type Flavour, FLAVOURS, modelProblem, type OpenaiFlavour, problemText } from './openai-flavours.ts';
import { runWhenMain } from './run-simulator.ts';
import { createSimulatedGpu } from './simulated-gpu.ts';
import { type ControlledWorld, simulatorControls, withControls } from './simulator-controls.ts';
import { drip, type SimulatedAnswer, type SimulatedRequest, startSimulatorHttp } from './simulator-http.ts';
import { spoiledBase64 } from './spoiled-picture.ts';

export interface OpenaiSimulatorOptions {
  readonly port?: number;
  readonly stepMs?: number;
  readonly flavour?: OpenaiFlavour;
  /** The key it wants to see, asked at every request. */
  readonly key?: () => string;
  /**
   * Answers with a link that begins so, instead of with the picture; "" links to itself without an origin, and
   * "data:" holds the picture.
   */
  readonly links?: string;
  /** Ids of the models that it lists instead of the flavour's. */
  readonly models?: readonly string[];
  /** What it makes of prompts (dall-e-3). */
  readonly revises?: (prompt: string) => string;
  /** Knows no `GET models`. */
  readonly listless?: boolean;
}

/** More than the controls every simulator has. */
export interface OpenaiSimulator extends EngineSimulator {
  /** Bodies of generations as they came. */
  readonly bodies: readonly Readonly<Record<string, unknown>>[];
  /** Requests for `path` that it has answered. */
  requests(path: string): readonly SimulatedRequest[];
}

/** A prompt that the content filter finds. */
export const FORBIDDEN = 'something forbidden';
/** What a client in a hurry is told to wait, seconds. */
export const RETRY_AFTER_SECONDS = 7;
/** Where linked pictures are. */
export const PICTURES_PATH = '/generated-images/picture.png';

export async function startOpenaiSimulator(options: OpenaiSimulatorOptions = {}): Promise<OpenaiSimulator> {
  const gpu = createSimulatedGpu(options.stepMs === undefined ? {} : { stepMs: options.stepMs });
  const flavour = FLAVOURS[options.flavour ?? 'openai'];
  const world: World = { gpu, options, flavour, fault: undefined, picture: undefined, bodies: [] };
  const seen: SimulatedRequest[] = [];
  const respond = async (request: SimulatedRequest): Promise<SimulatedAnswer | undefined> => {
    seen.push(request);
    const { key } = options;
    if (key !== undefined && request.headers.authorization !== `Bearer ${key()}`) {
      return failed(world, 401, 'Incorrect API key provided', undefined, 'invalid_api_key');
    }
    const route = `${request.method} ${request.path}`;
    if (route === `POST ${flavour.base}/images/generations`) return generations(world, request);
    if (route === `GET ${flavour.base}/models` && options.listless !== true) {
      const listed = options.models?.map((id) => ({ id, object: 'model', owned_by: 'local' }));
      return { status: 200, json: { object: 'list', data: listed ?? flavour.models } };
    }
    if (route !== `GET ${PICTURES_PATH}` || world.picture === undefined) return undefined;
    return { status: 200, raw: { type: 'image/png', body: world.picture } };
  };
  const notFound = { status: 404, json: flavour.error(404, 'Not Found') };
  const http = await startSimulatorHttp(respond, notFound, options.port ?? 0);
  return withControls(simulatorControls(world, http), {
    bodies: world.bodies,
    requests: (path: string) => seen.filter((request) => request.path === path),
  });
}

interface World extends ControlledWorld {
  readonly options: OpenaiSimulatorOptions;
  readonly flavour: Flavour;
  /** The one that was linked last. */
  picture: Buffer | undefined;
  readonly bodies: Record<string, unknown>[];
}

type Body = Readonly<Record<string, unknown>>;

const failed = (
  { flavour }: World,
  status: number,
  message: string,
  param?: string,
  code?: string,
): SimulatedAnswer => ({ status, json: flavour.error(status, message, param, code) });

async function generations(world: World, request: SimulatedRequest): Promise<SimulatedAnswer> {
  const body = request.body as Record<string, unknown> | undefined;
  if (body === undefined) return failed(world, 400, 'no JSON');
  world.bodies.push(body);
  const refused = refusal(world, body, request.text);
  if (refused !== undefined) return refused;
  const { fault } = world;
  world.fault = undefined;
  const streams = body['stream'] === true;
  const broken = streams ? undefined : faultAnswer(world, fault, String(body['prompt']));
  if (broken !== undefined) return broken;
  const id = randomUUID();
  const { picture } = world.gpu.submit(id, understood(world, body));
  if (world.flavour.minds) request.gone.addEventListener('abort', () => world.gpu.interrupt(id));
  if (streams) return { status: 200, write: (response) => void stream(response, picture, body, fault) };
  return answer(world, await picture, body, fault);
}

/** What the program says before it begins. */
function refusal(world: World, body: Body, text: string): SimulatedAnswer | undefined {
  const { flavour, options } = world;
  const fields = { prompt: 'string', model: 'string', size: 'string', ...flavour.fields } as const;
  const [problem] = fieldProblems(body, fields, flavour.required);
  const status = flavour === FLAVOURS['vllm-omni'] || flavour === FLAVOURS.sglang ? 422 : 400;
  if (problem !== undefined) {
    return failed(world, status, problemText(problem), problem.field, 'unknown_parameter');
  }
  // rapidjson's IsFloat() is false for a number without a fraction.
  if (flavour === FLAVOURS.ovms && /"guidance_scale":\d+[,}]/.test(text)) {
    return failed(world, status, 'guidance_scale field is not a float');
  }
  if (!/^\d+x\d+$/.test(String(body['size']))) return failed(world, status, 'bad size', 'size');
  const known = flavour.models.some(({ id }) => id === body['model']);
  if (!known && options.listless !== true) {
    return failed(world, 404, `no model in ${ENGINE_SECRET}`, 'model', 'model_not_found');
  }
  const param = flavour === FLAVOURS.openai ? modelProblem(body) : undefined;
  if (param !== undefined) return failed(world, 400, `Invalid value: '${param}'`, param, 'invalid_value');
  if (!String(body['prompt']).includes(FORBIDDEN)) return undefined;
  const words = `Your request was rejected by the safety system: ${String(body['prompt'])}`;
  return failed(world, 400, words, undefined, 'moderation_blocked');
}

function understood({ flavour, gpu }: World, body: Body): SimulatedJob {
  const { seed, steps, guidance = [] } = flavour.names;
  const number = (name: string | undefined): number | undefined =>
    name === undefined ? undefined : (body[name] as number | undefined);
  const [width = 0, height = 0] = String(body['size']).split('x').map(Number);
  const whole = String(body['prompt']);
  const [prompt = '', behindBar] = flavour === FLAVOURS.localai ? whole.split('|') : [whole];
  const lora = body['lora'] as { name: string; path: string; scale: number } | undefined;
  const strengths = { strength: lora?.scale ?? 1, textEncoderStrength: lora?.scale ?? 1 };
  return {
    prompt,
    negativePrompt: behindBar ?? (body['negative_prompt'] as string | undefined) ?? '',
    width,
    height,
    seed: number(seed) ?? gpu.jobs.length,
    steps: number(steps) ?? 20,
    guidanceScale: Math.fround(guidance.map(number).find((scale) => scale !== undefined) ?? 0),
    sampler: '',
    model: (body['model'] ?? '') as string,
    loras: lora === undefined ? [] : [{ name: lora.name, ...strengths }],
  };
}

function faultAnswer(
  world: World,
  fault: EngineFault | undefined,
  prompt: string,
): SimulatedAnswer | undefined {
  if (fault === 'html') {
    return { status: 200, raw: { type: 'text/html', body: `<html>${ENGINE_SECRET}</html>` } };
  }
  if (fault === 'too-many-requests') return tooManyRequests(world);
  if (fault === 'out-of-memory') {
    return failed(world, 500, `CUDA out of memory. Tried to allocate 2.00 GiB, ${ENGINE_SECRET}`);
  }
  if (fault !== 'exception') return undefined;
  return failed(world, 500, `Sizes of tensors must match for ${prompt} in ${ENGINE_SECRET}`);
}

const tooManyRequests = ({ flavour }: World): SimulatedAnswer => ({
  status: 429,
  write(response) {
    const retry = { 'retry-after': String(RETRY_AFTER_SECONDS) };
    response.writeHead(429, { 'content-type': 'application/json', ...retry });
    response.end(JSON.stringify(flavour.error(429, ENGINE_SECRET)));
  },
});

async function answer(
  world: World,
  png: Buffer | undefined,
  body: Body,
  fault: EngineFault | undefined,
): Promise<SimulatedAnswer> {
  if (fault === 'slow-loris') return drip('application/json', '{"created":1,"data":[{"b64_json":"');
  if (fault === 'no-image' || png === undefined) return { status: 200, json: { created: 1, data: [] } };
  const { links, revises } = world.options;
  const revised = revises === undefined ? {} : { revised_prompt: revises(String(body['prompt'])) };
  const size = String(body['size']);
  const whole = { created: Math.floor(Date.now() / 1_000), output_format: 'png', size };
  if (links !== undefined) {
    world.picture = png;
    const url =
      links === 'data:'
        ? `data:image/png;base64,${png.toString('base64')}`
        : `${links}${PICTURES_PATH}?sig=1`;
    return { status: 200, json: { ...whole, data: [{ url, ...revised }] } };
  }
  return {
    status: 200,
    json: { ...whole, data: [{ b64_json: await spoiledBase64(png, fault), ...revised }] },
  };
}

/** Server-sent events: partial images, comments in between, then the picture. */
async function stream(
  response: ServerResponse,
  picture: Promise<Buffer | undefined>,
  body: Body,
  fault: EngineFault | undefined,
): Promise<void> {
  const send = async (event: { readonly type: string; readonly [field: string]: unknown }): Promise<void> => {
    if (response.destroyed) return;
    const free = response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n: still here\n\n`);
    if (!free) await Promise.race([once(response, 'drain'), once(response, 'close')]);
  };
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  const size = String(body['size']);
  const [width = 0, height = 0] = size.split('x').map(Number);
  for (let index = 0; index < Number(body['partial_images'] ?? 0); index += 1) {
    const background = { r: 60 * index, g: 90, b: 120 };
    const partial = await sharp({ create: { width, height, channels: 3, background } })
      .png()
      .toBuffer();
    const b64_json = partial.toString('base64');
    await send({ type: 'image_generation.partial_image', b64_json, partial_image_index: index, size });
  }
  const png = await picture;
  if (fault === 'exception') {
    const error = { message: `failed in ${ENGINE_SECRET}`, type: 'server_error', code: 'internal' };
    await send({ type: 'error', error });
  } else if (png !== undefined && fault !== 'no-image') {
    const b64_json = await spoiledBase64(png, fault);
    await send({ type: 'image_generation.completed', b64_json, size, quality: 'high' });
  }
  response.end();
}

await runWhenMain(import.meta.url, startOpenaiSimulator);
