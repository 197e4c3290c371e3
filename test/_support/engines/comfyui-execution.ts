/** What the simulated ComfyUI tells of a running job, and what it remembers of a finished one. */
import { posix } from 'node:path';
import sharp from 'sharp';
import type { ComfyuiPrompt, World } from './comfyui-world.ts';
import { ENGINE_SECRET } from './engine-simulator.ts';
import type { GpuJob } from './simulated-gpu.ts';
import { spoiledBase64 } from './spoiled-picture.ts';

type Send = (type: string, data: Readonly<Record<string, unknown>>) => void;

/** Sends what the real one would at this point, in order. Jobs without a client id are told to everybody. */
export function tellUpdate(world: World, job: GpuJob): void {
  const now = { ...job };
  world.telling = world.telling.then(() => tell(world, now));
}

async function tell(world: World, job: GpuJob): Promise<void> {
  const prompt = world.prompts.get(job.id);
  const sampler = prompt?.samplerNode ?? '6';
  const send = sender(world, prompt);
  if (job.state !== 'running') return;
  if (job.step === 0) {
    // Not broadcast, unlike the rest of a job without a client.
    if (prompt !== undefined) {
      send('execution_start', { prompt_id: job.id });
      send('execution_cached', { nodes: [], prompt_id: job.id });
      send('executing', { node: '1', display_node: '1', prompt_id: job.id });
    }
    send('executing', { node: sampler, display_node: sampler, prompt_id: job.id });
    return;
  }
  const progress = { value: job.step, max: job.steps };
  const old = world.options.flavour === 'old';
  send('progress', old ? progress : { ...progress, prompt_id: job.id, node: sampler });
  if (prompt?.previews === false || job.step === job.steps) return;
  const frame = await previewFrame(job.step, world.options.previewBytes);
  // Behind the end of a JPEG there may be anything.
  const marked = prompt === undefined ? Buffer.concat([frame, Buffer.from(job.prompt)]) : frame;
  for (const socket of socketsOf(world, prompt)) socket.sendBinary(marked);
}

function socketsOf({ sockets, options }: World, prompt: ComfyuiPrompt | undefined) {
  if (options.socket === 'silent') return [];
  if (prompt === undefined) return [...sockets.values()];
  const own = sockets.get(prompt.clientId);
  return own === undefined ? [] : [own];
}

const sender =
  (world: World, prompt: ComfyuiPrompt | undefined): Send =>
  (type, data) => {
    for (const socket of socketsOf(world, prompt)) socket.sendText(JSON.stringify({ type, data }));
  };

/** server.py, send_image: u32 event 1, u32 format 1 (JPEG), then the file. */
async function previewFrame(step: number, bytes = 0): Promise<Buffer> {
  const jpeg = await sharp({
    create: { width: 32, height: 32, channels: 3, background: { r: step * 8, g: 90, b: 120 } },
  })
    .jpeg()
    .toBuffer();
  const head = Buffer.alloc(8);
  head.writeUInt32BE(1, 0);
  head.writeUInt32BE(1, 4);
  return Buffer.concat([head, jpeg, Buffer.alloc(Math.max(0, bytes - jpeg.length))]);
}

/** The job is over: tells it, then remembers it. */
export async function finishPrompt(
  world: World,
  prompt: ComfyuiPrompt,
  png: Buffer | undefined,
): Promise<void> {
  const send = sender(world, prompt);
  const { id, fault, job } = prompt;
  if (png === undefined) {
    // Taken off the queue: it never was.
    world.prompts.delete(id);
    return;
  }
  const failed = fault === 'out-of-memory' || fault === 'exception';
  const ending =
    job.state === 'interrupted' ? 'execution_interrupted' : failed ? 'execution_error' : 'execution_success';
  const details = { prompt_id: id, ...(ending === 'execution_error' ? errorOf(prompt) : {}) };
  const images = ending === 'execution_success' ? await save(world, prompt, png) : [];
  await world.telling;
  send(ending, details);
  if (ending === 'execution_success') send('executing', { node: null, prompt_id: id });
  // The real one tells it first, and remembers it a moment later.
  setImmediate(() => {
    const good = ending === 'execution_success';
    prompt.history = {
      prompt: [0, id, prompt.graph, { client_id: prompt.clientId }, [prompt.saveNode]],
      outputs: images.length === 0 ? {} : { [prompt.saveNode]: { images } },
      status: {
        status_str: good ? 'success' : 'error',
        completed: good,
        messages: [
          ['execution_start', { prompt_id: id }],
          [ending, details],
        ],
      },
      meta: {},
    };
  });
}

function errorOf({ fault, job, samplerNode }: ComfyuiPrompt): Record<string, unknown> {
  const [type, words] =
    fault === 'out-of-memory'
      ? ['torch.OutOfMemoryError', 'Allocation on device 0 would exceed allowed memory. (out of memory)']
      : ['RuntimeError', `Sizes of tensors must match except in dimension 1 for ${job.prompt}`];
  return {
    node_id: samplerNode,
    node_type: 'KSampler',
    executed: [],
    exception_message: `${words} in ${ENGINE_SECRET}\n`,
    exception_type: type,
    traceback: [`File "${ENGINE_SECRET}"`],
    current_inputs: { text: [job.prompt] },
    current_outputs: [],
  };
}

/** Saves unless the very same graph was saved before: then the node is cached, and nothing new comes of it. */
async function save(world: World, prompt: ComfyuiPrompt, png: Buffer): Promise<Record<string, string>[]> {
  const key = JSON.stringify(prompt.graph);
  if (prompt.fault === 'no-image' || world.saved.has(key)) return [];
  world.saved.add(key);
  const spoiled = prompt.fault === 'cut-file' || prompt.fault === 'wrong-dimensions';
  prompt.file = spoiled ? Buffer.from(await spoiledBase64(png, prompt.fault), 'base64') : png;
  const prefix = String(prompt.graph[prompt.saveNode]?.inputs['filename_prefix'])
    .replaceAll('%year%', '2026')
    .replaceAll('%month%', '11')
    .replaceAll('%day%', '22');
  const subfolder = posix.dirname(prefix) === '.' ? '' : posix.dirname(prefix);
  return [{ filename: `${posix.basename(prefix)}_00001_.png`, subfolder, type: 'output' }];
}
