/** How a job stands. By its own id where the engine can tell, else by what the one job there is doing. */
import type { EngineEvent, EngineJob } from '../../image-engine.ts';
import { decodeBase64 } from '../http/base64.ts';
import type { EngineConnection } from '../http/engine-connection.ts';
import { EngineError } from '../../errors.ts';
import { jsonAnswer } from '../http/json-answer.ts';
import { at, numberAt, textAt } from '../http/json-reading.ts';

export interface TaskState {
  /** Ours runs; known for certain, so that an interrupt hits nobody else. */
  readonly isOurs: boolean;
  /** Share done; undefined while unknown. */
  readonly fraction: number | undefined;
  readonly preview: { readonly id: number; readonly dataUrl: string } | undefined;
}

/** Asks for the state of one job; undefined when there is nothing to learn now. */
export interface TaskWatch {
  state(signal: AbortSignal): Promise<TaskState | undefined>;
}

const TIMEOUT_MS = 5_000;
/** A preview travels in one message of the stream, whose limit is 4 MiB by default. */
const MAX_PREVIEW_BYTES = 1024 * 1024;
const NOTHING: TaskState = { isOurs: false, fraction: undefined, preview: undefined };

/**
 * Watches through `/internal/progress` (A1111, Forge: by task id), falling back to `/sdapi/v1/progress`, which tells
 * of whatever runs: believed because we have this engine's single place, but never a reason to interrupt unless
 * it names our task. Engines without either stay silent.
 */
export function createTaskWatch(
  connection: EngineConnection,
  { requestId, includePreviews }: EngineJob,
): TaskWatch {
  let route: 'task' | 'global' | 'none' = 'task';
  let previewId = -1;

  async function byTask(signal: AbortSignal): Promise<TaskState | undefined> {
    const body = { id_task: requestId, id_live_preview: previewId, live_preview: includePreviews };
    const value = await ask({ method: 'POST', path: '/internal/progress', body }, signal);
    if (value === undefined) {
      route = 'global';
      return globally(signal);
    }
    const dataUrl = textAt(value, 'live_preview');
    const id = numberAt(value, 'id_live_preview');
    const isNew = dataUrl !== undefined && id !== undefined && id !== previewId;
    if (isNew) previewId = id;
    return {
      isOurs: at(value, 'active') === true,
      fraction: numberAt(value, 'progress'),
      preview: isNew ? { id, dataUrl } : undefined,
    };
  }

  async function globally(signal: AbortSignal): Promise<TaskState | undefined> {
    const path = `/sdapi/v1/progress?skip_current_image=${String(!includePreviews)}`;
    const value = await ask({ method: 'GET', path }, signal);
    if (value === undefined) {
      route = 'none';
      return undefined;
    }
    const task = textAt(value, 'current_task');
    if (task !== undefined && task !== requestId) return NOTHING;
    const dataUrl = textAt(value, 'current_image');
    const id = numberAt(value, 'state', 'sampling_step') ?? previewId;
    const isNew = dataUrl !== undefined && id !== previewId;
    if (isNew) previewId = id;
    const preview = isNew ? { id, dataUrl } : undefined;
    return { isOurs: task === requestId, fraction: numberAt(value, 'progress'), preview };
  }

  async function ask(
    request: { readonly method: 'GET' | 'POST'; readonly path: string; readonly body?: unknown },
    signal: AbortSignal,
  ): Promise<unknown> {
    const answer = await connection.ask({ ...request, timeoutMs: TIMEOUT_MS }, signal);
    return answer.status === 200 ? (await jsonAnswer(answer)).value : undefined;
  }

  return {
    async state(signal) {
      try {
        if (route === 'none') return undefined;
        return route === 'task' ? await byTask(signal) : await globally(signal);
      } catch (error) {
        signal.throwIfAborted();
        // The job's own answer tells whether the engine is well.
        if (error instanceof EngineError) return undefined;
        throw error;
      }
    },
  };
}

/** Turns states into events: steps that never fall, and each preview once. */
export function createStateReader(totalSteps: number): (state: TaskState) => Promise<EngineEvent[]> {
  let fraction = -1;
  return async (state) => {
    const events: EngineEvent[] = [];
    const now = Math.min(1, Math.max(0, state.fraction ?? 0));
    if (state.fraction !== undefined && now > fraction) {
      fraction = now;
      const step = Math.min(totalSteps, Math.round(now * totalSteps));
      events.push({
        type: 'progress',
        stage: now > 0 ? 'sampling' : 'loading',
        ...(totalSteps > 0 ? { step, totalSteps } : {}),
        fraction: now,
      });
    }
    const preview = state.preview === undefined ? undefined : await previewEvent(state.preview.dataUrl);
    return preview === undefined ? events : [...events, preview];
  };
}

const SIGNATURES: readonly (readonly [string, string])[] = [
  ['ffd8ff', 'image/jpeg'],
  ['89504e47', 'image/png'],
  ['52494646', 'image/webp'],
];

/** A preview is a courtesy: one that cannot be read is left out. */
async function previewEvent(dataUrl: string): Promise<EngineEvent | undefined> {
  try {
    const data = await decodeBase64(Buffer.from(dataUrl, 'latin1'));
    const start = data.toString('hex', 0, 4);
    const mediaType = SIGNATURES.find(([signature]) => start.startsWith(signature))?.[1];
    return mediaType === undefined || data.length > MAX_PREVIEW_BYTES
      ? undefined
      : { type: 'preview', mediaType, data };
  } catch {
    return undefined;
  }
}
