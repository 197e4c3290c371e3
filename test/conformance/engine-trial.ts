/** What the suite needs to know of an engine. */
import type { EngineFailure } from '../../services/image-generation/errors.ts';
import type { EngineJob, ImageEngine } from '../../services/image-generation/image-engine.ts';
import type { EngineFault, EngineSimulator } from '../_support/engines/engine-simulator.ts';

/** One engine under test, with the simulator behind it when there is one. */
export interface EngineTrial {
  readonly engine: ImageEngine;
  readonly simulator?: EngineSimulator;
  /** Everything that was logged. */
  readonly logText?: () => string;
  /** Closes the engine, then the simulator. */
  close(): Promise<void>;
}

export interface TrialOptions {
  /** Longest a job may take at the engine, ms. */
  readonly timeoutMs?: number;
}

export interface EngineHarness {
  start(options?: TrialOptions): Promise<EngineTrial>;
  /** What this engine promises beyond the port. */
  readonly promises: {
    /** The same job gives the same pixels. */
    readonly deterministic: boolean;
    /** Takes a seed. */
    readonly seeds: boolean;
    /** Names of LoRAs it has, as many as one job may name; absent when it takes none. */
    readonly loras?: readonly [string, ...string[]];
    /** Tells every step, or nothing but signs of life. */
    readonly steps: boolean;
    readonly previews: boolean;
    /** A cancelled job that runs stops at the engine; otherwise it runs out there, its place taken. */
    readonly stopsWork: boolean;
    /** Fields of a job that the simulator hears of. Default: all. */
    readonly heard?: readonly (keyof EngineJob)[];
  };
  /** Faults that this protocol cannot show, or that mean something else in it. */
  readonly faults?: Partial<Readonly<Record<EngineFault, readonly EngineFailure[] | 'impossible'>>>;
}

/** Starts the trial of one test. */
export type Begin = (options?: TrialOptions) => Promise<EngineTrial>;
