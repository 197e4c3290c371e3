/** What the simulated ComfyUI has and remembers. */
import type { SimulatedGraph } from './comfyui-graph.ts';
import type { EngineFault } from './engine-simulator.ts';
import type { SubmittedJob } from './simulated-gpu.ts';
import type { SharedWorld } from './simulator-controls.ts';
import type { ServerSocket } from './websocket-server.ts';

export interface ComfyuiSimulatorOptions {
  readonly port?: number;
  readonly stepMs?: number;
  /**
   * `current`: with `/api/jobs`. `targeted`: an interrupt that takes an id, and no more. `old`: ids of its own, an
   * interrupt that hits whatever runs, and progress that names no node.
   */
  readonly flavour?: 'current' | 'targeted' | 'old';
  /** `refused`: no WebSocket. `silent`: one that says nothing. `stalled`: an upgrade that is never answered. */
  readonly socket?: 'good' | 'refused' | 'silent' | 'stalled';
  readonly loras?: readonly string[];
  readonly checkpoints?: readonly string[];
  /** Classes of nodes that this engine does not have. */
  readonly lacks?: readonly string[];
  /** Bearer token that it, or the proxy before it, asks for. */
  readonly token?: string;
  /** Bytes of a preview. */
  readonly previewBytes?: number;
}

export interface ComfyuiPrompt extends SubmittedJob {
  readonly id: string;
  readonly graph: SimulatedGraph;
  readonly clientId: string;
  readonly previews: boolean;
  readonly fault: EngineFault | undefined;
  /** Id of the node that saves, and of the one that samples. */
  readonly saveNode: string;
  readonly samplerNode: string;
  /** Set when it is over. */
  history: Readonly<Record<string, unknown>> | undefined;
  file: Buffer | undefined;
}

export interface World extends SharedWorld {
  readonly options: ComfyuiSimulatorOptions;
  readonly checkpoints: string[];
  readonly loras: string[];
  readonly prompts: Map<string, ComfyuiPrompt>;
  /** What is to be said, one after the other. */
  telling: Promise<void>;
  /** By client id. */
  readonly sockets: Map<string, ServerSocket>;
  /** Cache keys of saved pictures: the same graph again saves nothing. */
  readonly saved: Set<string>;
  questions: number;
  number: number;
}
