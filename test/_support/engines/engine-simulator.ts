/** What the simulators of all engine protocols have in common: their controls, and what they are told to do wrong. */

/** What the next job shall end in, once. */
export type EngineFault =
  /** 200 with an HTML page. */
  | 'html'
  /** 200 whose base64 stops in the middle of a group. */
  | 'cut-base64'
  /** 200 with a PNG that stops in the middle. */
  | 'cut-file'
  /** 200 with a picture of another size. */
  | 'wrong-dimensions'
  /** 200 without any picture, in the protocol's own way. */
  | 'no-image'
  /** 200 whose body comes a byte at a time and never ends. */
  | 'slow-loris'
  | 'too-many-requests'
  /** The protocol's error with CUDA's words for too little memory. */
  | 'out-of-memory'
  /** The protocol's error for an exception. */
  | 'exception';

/** Stands in every text an engine answers with, and must never reach a caller. */
export const ENGINE_SECRET = '/srv/models/secret.safetensors';

/** A job as the engine understood it. */
export interface SimulatedJob {
  /** Without what the protocol hides in it, such as LoRA tags. */
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly width: number;
  readonly height: number;
  readonly seed: number;
  readonly steps: number;
  readonly guidanceScale: number;
  readonly sampler: string;
  readonly model: string;
  readonly loras: readonly SimulatedLora[];
}

export interface SimulatedLora {
  readonly name: string;
  readonly strength: number;
  readonly textEncoderStrength: number;
}

export type JobState = 'queued' | 'running' | 'done' | 'interrupted';

/** A running simulator. */
export interface EngineSimulator {
  readonly url: string;
  /** Jobs that were taken, oldest first. */
  readonly jobs: readonly (SimulatedJob & { readonly state: JobState })[];
  /** Open connections. */
  readonly sockets: number;
  /** Running jobs stop before their next step until `letGo`. */
  hold(): void;
  letGo(): void;
  /** The next job ends so. */
  spoil(fault: EngineFault): void;
  /** As SIGKILL: connections break, work is lost, the port refuses. */
  kill(): Promise<void>;
  /** Listens again on the same port, knowing nothing of earlier jobs but their list. */
  restart(): Promise<void>;
  close(): Promise<void>;
}
