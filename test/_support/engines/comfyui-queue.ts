/** The queue of the simulated ComfyUI, and the ways to leave it. */
import type { World } from './comfyui-world.ts';
import type { SimulatedAnswer, SimulatedRequest } from './simulator-http.ts';

type Entry = readonly [number, string, unknown, unknown, readonly string[]];

/** `GET /queue`: entries are [number, prompt_id, prompt, extra_data, outputs]. */
export function queueOf(world: World): { queue_running: Entry[]; queue_pending: Entry[] } {
  const { gpu, prompts } = world;
  const entry = ({ id }: { readonly id: string }, index: number): Entry => {
    const prompt = prompts.get(id);
    return [index, id, prompt?.graph ?? {}, { client_id: prompt?.clientId }, [prompt?.saveNode ?? '']];
  };
  const running = gpu.jobs.filter(({ id }) => isRunning(world, id));
  return {
    queue_running: running.map(entry),
    queue_pending: gpu.jobs.filter(({ state }) => state === 'queued').map(entry),
  };
}

/** Until it stands in the history: the real one does both at once. One that was interrupted ends with its step. */
function isRunning({ gpu, prompts }: World, id: string): boolean {
  const prompt = prompts.get(id);
  const ending = prompt !== undefined && prompt.history === undefined && prompt.job.state !== 'queued';
  return gpu.current?.id === id || ending;
}

function placeOf(world: World, id: string): 'pending' | 'in_progress' | undefined {
  const { gpu } = world;
  if (isRunning(world, id)) return 'in_progress';
  return gpu.jobs.some((job) => job.id === id && job.state === 'queued') ? 'pending' : undefined;
}

/** `POST /queue`, `POST /interrupt`, `GET /api/jobs/{id}` and its cancel. */
export function cancelRoute(
  world: World,
  { method, path, body }: SimulatedRequest,
): SimulatedAnswer | undefined {
  const { flavour = 'current' } = world.options;
  const fields = (body ?? {}) as { readonly delete?: readonly string[]; readonly prompt_id?: string };
  if (method === 'POST' && path === '/queue') {
    for (const id of fields.delete ?? []) if (placeOf(world, id) === 'pending') world.gpu.interrupt(id);
    return { status: 200 };
  }
  if (method === 'POST' && path === '/interrupt') {
    const everyone = flavour === 'old' || fields.prompt_id === undefined;
    if (everyone || world.gpu.current?.id === fields.prompt_id) {
      world.interrupts += 1;
      world.gpu.interruptCurrent();
    }
    return { status: 200 };
  }
  const [, id = '', cancel] = /^\/api\/jobs\/([^/]+)(\/cancel)?$/.exec(path) ?? [];
  // aiohttp: the static files' route takes GET alone.
  if (id === '' || flavour !== 'current') return method === 'POST' ? { status: 405 } : undefined;
  const place = placeOf(world, id);
  if (method === 'POST' && cancel !== undefined) {
    if (place !== undefined) world.gpu.interrupt(id);
    return { status: 200, json: { cancelled: place !== undefined } };
  }
  const over = world.prompts.get(id)?.history !== undefined ? 'completed' : undefined;
  const status = place ?? over;
  return status === undefined
    ? { status: 404, json: { error: 'Job not found' } }
    : { status: 200, json: { id, status } };
}
