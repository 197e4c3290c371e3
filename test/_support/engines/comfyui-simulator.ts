/**
 * ComfyUI's API as its server.py and execution.py have it (reference api-and-engines § 3.3), without a GPU. Stricter
 * than the original: an input that a node does not have is an error. `node
 * dist/test/_support/engines/comfyui-simulator.js --port 8188` runs it alone.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { finishPrompt, tellUpdate } from './comfyui-execution.ts';
import { jobOfGraph, refuseGraph, type SimulatedGraph } from './comfyui-graph.ts';
import { CHECKPOINTS, LORAS, nodeClasses, objectInfo } from './comfyui-nodes.ts';
import { cancelRoute, queueOf } from './comfyui-queue.ts';
import type { ComfyuiPrompt, ComfyuiSimulatorOptions, World } from './comfyui-world.ts';
import { ENGINE_SECRET } from './engine-simulator.ts';
import { fieldProblems } from './field-check.ts';
import { runWhenMain } from './run-simulator.ts';
import { createSimulatedGpu } from './simulated-gpu.ts';
import { type SharedEngineSimulator, sharedEngineControls, withControls } from './simulator-controls.ts';
import { drip, type SimulatedAnswer, type SimulatedRequest, startSimulatorHttp } from './simulator-http.ts';
import { acceptWebSocket } from './websocket-server.ts';

/** More than the controls every simulator has. */
export interface ComfyuiSimulator extends SharedEngineSimulator {
  /** A LoRA is put beside the engine, or taken away. */
  addLora(file: string): void;
  removeLora(file: string): void;
  /** Cuts every WebSocket. */
  cutWebSockets(): void;
  /** Somebody presses the button in ComfyUI's own pages. */
  interruptByHand(): void;
  readonly webSockets: number;
  /** Questions for a job's history. */
  readonly questions: number;
  /** Interrupts received that stopped something. */
  readonly interrupts: number;
}

export async function startComfyuiSimulator(
  options: ComfyuiSimulatorOptions = {},
): Promise<ComfyuiSimulator> {
  const gpu = createSimulatedGpu({
    ...(options.stepMs === undefined ? {} : { stepMs: options.stepMs }),
    onUpdate: (job) => tellUpdate(world, job),
  });
  const world: World = {
    gpu,
    options,
    checkpoints: [...(options.checkpoints ?? CHECKPOINTS)],
    loras: [...(options.loras ?? LORAS)],
    prompts: new Map(),
    telling: Promise.resolve(),
    sockets: new Map(),
    saved: new Set(),
    fault: undefined,
    interrupts: 0,
    questions: 0,
    bodies: [],
    foreign: new Set(),
    number: 0,
  };
  const notFound = { status: 404, raw: { type: 'text/plain', body: '404: Not Found' } };
  const http = await startSimulatorHttp((request) => respond(world, request), notFound, options.port ?? 0);
  http.server.on('upgrade', (request: IncomingMessage, socket: Socket) => upgrade(world, request, socket));
  const forget = (): void => {
    world.prompts.clear();
    world.sockets.clear();
  };
  return withControls(sharedEngineControls(world, http, 'euler', forget), {
    get webSockets() {
      return world.sockets.size;
    },
    get questions() {
      return world.questions;
    },
    addLora: (file: string) => void world.loras.push(file),
    removeLora: (file: string) => void world.loras.splice(world.loras.indexOf(file), 1),
    cutWebSockets() {
      for (const socket of world.sockets.values()) socket.cut();
    },
    interruptByHand: () => gpu.interruptCurrent(),
  });
}

function isAllowed({ options }: World, headers: IncomingMessage['headers']): boolean {
  return options.token === undefined || headers.authorization === `Bearer ${options.token}`;
}

function upgrade(world: World, request: IncomingMessage, socket: Socket): void {
  const { socket: manners = 'good' } = world.options;
  socket.on('error', () => {});
  if (manners === 'stalled') {
    socket.resume(); // Or the other side's goodbye would not be seen.
    socket.once('end', () => socket.destroy());
    return;
  }
  const url = new URL(request.url ?? '/', 'http://simulator');
  const clientId = url.searchParams.get('clientId') ?? randomUUID();
  if (manners === 'refused' || url.pathname !== '/ws' || !isAllowed(world, request.headers)) {
    socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    return;
  }
  const accepted = acceptWebSocket(request, socket, () => world.sockets.delete(clientId));
  world.sockets.set(clientId, accepted);
  const status = { exec_info: { queue_remaining: world.prompts.size } };
  if (manners === 'good')
    accepted.sendText(JSON.stringify({ type: 'status', data: { status, sid: clientId } }));
}

async function respond(world: World, request: SimulatedRequest): Promise<SimulatedAnswer | undefined> {
  if (!isAllowed(world, request.headers)) return { status: 401, json: { error: 'unauthorized' } };
  const { method, path } = request;
  const [, folder = '', rest = ''] = /^\/([a-z_]+)(?:\/(.*))?$/.exec(path) ?? [];
  switch (`${method} /${folder}`) {
    case 'GET /prompt':
      return { status: 200, json: { exec_info: { queue_remaining: world.prompts.size } } };
    case 'GET /system_stats':
      return { status: 200, json: { system: { os: 'posix', comfyui_version: '0.3.60' }, devices: [] } };
    case 'GET /object_info': {
      const known = nodeClasses(world)[rest];
      const has = known !== undefined && !(world.options.lacks ?? []).includes(rest);
      return { status: 200, json: has ? { [rest]: objectInfo(rest, known) } : {} };
    }
    case 'POST /prompt':
      return prompt(world, request);
    case 'GET /history': {
      world.questions += 1;
      const history = world.prompts.get(rest)?.history;
      return { status: 200, json: history === undefined ? {} : { [rest]: history } };
    }
    case 'GET /queue':
      return { status: 200, json: queueOf(world) };
    case 'GET /view':
      return view(world, request.query);
    default:
      return cancelRoute(world, request);
  }
}

function prompt(world: World, { body }: SimulatedRequest): SimulatedAnswer {
  const fields = (body ?? {}) as Record<string, unknown>;
  world.bodies.push(fields);
  const { fault } = world;
  world.fault = undefined;
  if (fault === 'html')
    return { status: 200, raw: { type: 'text/html', body: `<html>${ENGINE_SECRET}</html>` } };
  if (fault === 'too-many-requests') return { status: 429, json: { error: ENGINE_SECRET } };
  const known = { prompt: 'object', client_id: 'string', prompt_id: 'string', extra_data: 'object' } as const;
  const [problem] = fieldProblems(fields, known, ['prompt']);
  const asked = fields['prompt_id'] as string | undefined;
  const isOld = world.options.flavour === 'old';
  if (
    problem !== undefined ||
    (asked !== undefined && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(asked))
  ) {
    const error = {
      type: 'invalid_body',
      message: problem?.field ?? 'prompt_id',
      details: '',
      extra_info: {},
    };
    return { status: 400, json: { error, node_errors: {} } };
  }
  const graph = fields['prompt'] as SimulatedGraph;
  const refused = refuseGraph(graph, nodeClasses(world));
  if (refused !== undefined) return { status: 400, json: refused };
  const id = isOld || asked === undefined ? randomUUID() : asked;
  const nodeOf = (classType: string): string =>
    Object.entries(graph).find(([, node]) => node.class_type === classType)?.[0] ?? '';
  const extra = fields['extra_data'] as { readonly preview_method?: string } | undefined;
  // Registered first: the job may start at once, and is told of.
  const entry = {
    id,
    graph,
    clientId: (fields['client_id'] ?? '') as string,
    previews: extra?.preview_method === 'auto',
    fault,
    saveNode: nodeOf('SaveImage'),
    samplerNode: nodeOf('KSampler'),
    history: undefined,
    file: undefined,
  } as ComfyuiPrompt;
  world.prompts.set(id, entry);
  Object.assign(entry, world.gpu.submit(id, jobOfGraph(graph)));
  void entry.picture.then((png) => finishPrompt(world, entry, png));
  world.number += 1;
  return { status: 200, json: { prompt_id: id, number: world.number, node_errors: {} } };
}

function view(world: World, query: URLSearchParams): SimulatedAnswer | undefined {
  for (const { history, saveNode, file, fault } of world.prompts.values()) {
    const outputs = history?.['outputs'] as Record<
      string,
      { readonly images?: readonly Record<string, string>[] }
    >;
    const [image] = outputs?.[saveNode]?.images ?? [];
    const isIt =
      image !== undefined &&
      ['filename', 'subfolder', 'type'].every((name) => image[name] === query.get(name));
    if (isIt && fault === 'slow-loris') return drip('image/png', '\x89PNG');
    if (isIt && file !== undefined) return { status: 200, raw: { type: 'image/png', body: file } };
  }
  return undefined;
}

await runWhenMain(import.meta.url, startComfyuiSimulator);
