/** What ComfyUI's WebSocket tells of one job, as events of ours; old ones give way to new ones. */
import { type Bell, createBell } from '../../../runtime/bell.ts';
import type { EngineEvent, EngineJob } from '../../image-engine.ts';
import { textAt } from '../http/json-reading.ts';
import { createJobProgress } from './job-progress.ts';
import { createOwnMessages } from './own-messages.ts';
import { previewFrame } from './preview-frame.ts';
import type { Workflow } from './workflow.ts';

export interface JobWatch {
  /** Rings at all news. */
  readonly bell: Bell;
  readonly hasNews: boolean;
  /** Reasons so far to ask how the job stands: the engine says that it has ended, or nothing more will be said. */
  readonly hints: number;
  /** The engine says that it has ended. */
  readonly isOver: boolean;
  /** News since the last call, at most a progress and a preview. */
  take(): EngineEvent[];
  readonly hear: (message: string | Buffer) => void;
  /** The engine has answered with the job's id; what it said of that job before counts. */
  identified(id: string): void;
  /** Learnt otherwise: the job runs. */
  started(): void;
  /** Nothing more will be heard. */
  readonly ended: () => void;
}

type Preview = Extract<EngineEvent, { type: 'preview' }>;

/** @param chosenId The job's id, unless the engine is too old to take it. */
export function createJobWatch(workflow: Workflow, job: EngineJob, chosenId: string): JobWatch {
  const bell = createBell();
  const progress = createJobProgress(workflow);
  let hints = 0;
  let isOver = false;
  let preview: Preview | undefined;
  const messages = createOwnMessages(chosenId, (type, data, isEnd) => {
    const node = textAt(data, 'node');
    if (type === 'execution_start' || type === 'execution_cached') progress.begin();
    if (type === 'executing' && node !== undefined) progress.enter(node);
    if (type === 'progress') progress.advance(data);
    if (isEnd) {
      isOver = true;
      hints += 1;
    }
  });
  const hearPreview = (message: Buffer): void => {
    const frame = job.includePreviews && messages.running ? previewFrame(message) : undefined;
    const { step } = progress;
    if (frame !== undefined) preview = { type: 'preview', ...frame, ...(step > 0 ? { step } : {}) };
  };
  return {
    bell,
    get hasNews() {
      return progress.hasNews || preview !== undefined;
    },
    get hints() {
      return hints;
    },
    get isOver() {
      return isOver;
    },
    take() {
      const news = [progress.take(), preview].filter((event) => event !== undefined);
      preview = undefined;
      return news;
    },
    hear(message) {
      if (typeof message === 'string') messages.hear(message);
      else hearPreview(message);
      bell.ring();
    },
    identified: (id) => messages.identified(id),
    started: () => progress.begin(),
    ended() {
      hints += 1;
      bell.ring();
    },
  };
}
