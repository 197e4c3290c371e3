/** How far a job is, from what ComfyUI tells of its nodes. */
import type { EngineEvent } from '../../image-engine.ts';
import { numberAt, textAt } from '../http/json-reading.ts';
import type { Workflow } from './workflow.ts';

type Progress = Extract<EngineEvent, { type: 'progress' }>;

export interface JobProgress {
  /** Steps done; 0 while unknown. */
  readonly step: number;
  readonly hasNews: boolean;
  /** The latest since the last call. */
  take(): Progress | undefined;
  /** The job has begun. */
  begin(): void;
  /** A node is begun. */
  enter(nodeId: string): void;
  /** Data of a `progress` message: value and max; older engines leave out the node. */
  advance(data: unknown): void;
}

/** Counts the steps of nodes that sample; upscalers and decoders count too, and would have it go backwards. */
export function createJobProgress({ nodes }: Workflow): JobProgress {
  const samplers = Object.entries(nodes).flatMap(([id, node]) =>
    /sampler/i.test(node.class_type) ? [id] : [],
  );
  const finished = new Set<string>();
  let node = '';
  let stage: Progress['stage'] | undefined;
  let news: Progress | undefined;
  let step = 0;
  let fraction = 0;

  const reach = (next: Progress['stage']): void => {
    if (stage === next || stage === 'sampling') return;
    stage = next;
    news = { type: 'progress', stage };
  };
  const enter = (next: string): void => {
    if (samplers.includes(node) && next !== node) finished.add(node);
    node = next;
    reach(samplers.includes(next) ? 'sampling' : 'loading');
  };
  return {
    get step() {
      return step;
    },
    get hasNews() {
      return news !== undefined;
    },
    take() {
      const taken = news;
      news = undefined;
      return taken;
    },
    begin: () => reach('loading'),
    enter,
    advance(data) {
      const next = textAt(data, 'node');
      if (next !== undefined && next !== node) enter(next);
      const value = numberAt(data, 'value') ?? 0;
      const max = numberAt(data, 'max') ?? 0;
      if (!samplers.includes(node) || max <= 0) return;
      const now = (finished.size + Math.min(1, value / max)) / samplers.length;
      if (now < fraction || value < step) return;
      fraction = now;
      const one = samplers.length === 1;
      if (one) step = value;
      news = { type: 'progress', stage: 'sampling', fraction, ...(one ? { step, totalSteps: max } : {}) };
    },
  };
}
