/** What ComfyUI's WebSocket tells of one job, as events of ours; old ones give way to new ones. */
import { type Bell, createBell } from '../../../runtime/bell.ts';
import type { EngineEvent, EngineJob } from '../../image-engine.ts';
import { at, numberAt, textAt } from '../http/json-reading.ts';
import { previewFrame } from './preview-frame.ts';
import type { Workflow } from './workflow.ts';

export interface JobWatch {
  /** Rings at all news. */
  readonly bell: Bell;
  readonly hasNews: boolean;
  /** The engine says that the job has ended, or nothing more will be said: time to ask. */
  readonly shouldAsk: boolean;
  /** News since the last call, at most a progress and a preview. */
  take(): EngineEvent[];
  hear(message: string | Buffer): void;
  /** The engine has answered with the job's id; what it said of that job before counts. */
  identified(id: string): void;
  /** Learnt otherwise: the job runs. */
  started(): void;
  ended(): void;
}

type Progress = Extract<EngineEvent, { type: 'progress' }>;
type Preview = Extract<EngineEvent, { type: 'preview' }>;

/** Most messages that are kept until the job's id is known. */
const MAX_EARLY = 32;

/** @param chosenId The job's id, unless the engine is too old to take it. */
export function createJobWatch(workflow: Workflow, job: EngineJob, chosenId: string): JobWatch {
  const bell = createBell();
  const samplers = Object.entries(workflow.nodes).flatMap(([id, node]) =>
    /sampler/i.test(node.class_type) ? [id] : [],
  );
  const finished = new Set<string>();
  /**
   * The engine runs one job at a time. Progress and previews of jobs that were sent without a client id go to
   * everybody, previews and older engines' progress without the job's id: they are ours only while ours runs.
   */
  let running = false;
  let jobId = chosenId;
  let early: string[] | undefined = [];
  let node = '';
  let shouldAsk = false;
  let stage: Progress['stage'] | undefined;
  let progress: Progress | undefined;
  let preview: Preview | undefined;
  let step = 0;
  let fraction = 0;

  const enter = (next: Progress['stage']): void => {
    if (stage === next || stage === 'sampling') return;
    stage = next;
    progress = { type: 'progress', stage };
  };
  const entered = (next: string): void => {
    if (samplers.includes(node) && next !== node) finished.add(node);
    node = next;
    enter(samplers.includes(next) ? 'sampling' : 'loading');
  };
  const stepped = (value: number, max: number): void => {
    if (!samplers.includes(node) || max <= 0) return; // Upscalers and decoders count as well.
    const now = (finished.size + Math.min(1, value / max)) / samplers.length;
    if (now < fraction || value < step) return;
    fraction = now;
    stage = 'sampling';
    const one = samplers.length === 1;
    if (one) step = value;
    progress = { type: 'progress', stage, fraction, ...(one ? { step, totalSteps: max } : {}) };
  };
  const told = (type: string | undefined, data: unknown): void => {
    if (type === 'execution_start' || type === 'execution_cached') enter('loading');
    if (type === 'executing') {
      const next = textAt(data, 'node');
      if (next === undefined) shouldAsk = true;
      else entered(next);
    }
    if (type === 'progress') {
      const next = textAt(data, 'node');
      if (next !== undefined && next !== node) entered(next);
      stepped(numberAt(data, 'value') ?? 0, numberAt(data, 'max') ?? 0);
    }
    if (type !== undefined && ENDINGS.has(type)) {
      shouldAsk = true;
      running = false;
    }
  };
  const hearText = (text: string): void => {
    const value = parsed(text);
    const promptId = textAt(value, 'data', 'prompt_id');
    if (promptId !== undefined) running = promptId === jobId;
    if (running) told(textAt(value, 'type'), at(value, 'data'));
    else if (early !== undefined && early.length < MAX_EARLY) early.push(text);
  };
  const hear = (message: string | Buffer): void => {
    if (typeof message === 'string') hearText(message);
    else if (job.includePreviews && running) {
      const frame = previewFrame(message);
      if (frame !== undefined) preview = { type: 'preview', ...frame, ...(step > 0 ? { step } : {}) };
    }
    bell.ring();
  };
  return {
    bell,
    get hasNews() {
      return progress !== undefined || preview !== undefined;
    },
    get shouldAsk() {
      return shouldAsk;
    },
    take() {
      const news = [progress, preview].filter((event) => event !== undefined);
      progress = undefined;
      preview = undefined;
      return news;
    },
    hear,
    identified(id) {
      if (id !== jobId) {
        jobId = id;
        for (const text of early ?? []) hearText(text);
      }
      early = undefined;
    },
    started: () => enter('loading'),
    ended() {
      shouldAsk = true;
      bell.ring();
    },
  };
}

const ENDINGS: ReadonlySet<string> = new Set([
  'execution_success',
  'execution_error',
  'execution_interrupted',
]);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
