/**
 * Port: what makes images. One adapter per engine protocol under engines/, all passing one conformance suite.
 */

/** A LoRA with its strengths filled in. */
export interface LoraApplication {
  readonly name: string;
  readonly strength: number;
  readonly textEncoderStrength: number;
}

/** One checked, fully resolved job. */
export interface EngineJob {
  readonly requestId: string;
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly model: string;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** 0 to 2^32 − 1. */
  readonly seed: number;
  readonly steps: number;
  readonly guidanceScale: number;
  /** Empty when the engine decides. */
  readonly sampler: string;
  readonly loras: readonly LoraApplication[];
  readonly includePreviews: boolean;
}

/** A finished picture: pixels, or a file as the engine made it. */
export type EngineImage =
  | {
      readonly kind: 'pixels';
      /** Rows from the top, 3 bytes (sRGB) a pixel, width · height · 3 bytes. */
      readonly data: Uint8Array;
      readonly width: number;
      readonly height: number;
    }
  | { readonly kind: 'file'; readonly bytes: Uint8Array };

/** A departure from the request that did not fail it. */
export interface GenerationWarning {
  /** Stable UPPER_SNAKE_CASE word. */
  readonly reason: string;
  /** Path of the request's field. */
  readonly field: string;
  /** Text for a person. */
  readonly message: string;
}

export type EngineEvent =
  | {
      readonly type: 'progress';
      readonly stage: 'loading' | 'sampling';
      readonly step?: number;
      readonly totalSteps?: number;
      /** Share of the engine's work done, 0 to 1, never falling. */
      readonly fraction?: number;
    }
  | {
      readonly type: 'preview';
      readonly mediaType: string;
      readonly data: Uint8Array;
      readonly step?: number;
    }
  | {
      /** The last event, exactly once. */
      readonly type: 'image';
      readonly image: EngineImage;
      /** Seed used, as the engine reports it. */
      readonly seed: number;
      readonly warnings: readonly GenerationWarning[];
      /** What the engine says it has used, for the archive record. */
      readonly used?: EngineReport;
    };

/** The engine's own account of a picture. Whatever it does not tell is absent. */
export interface EngineReport {
  readonly model?: string;
  readonly sampler?: string;
  readonly steps?: number;
  readonly guidanceScale?: number;
  /** More that it tells, such as its version, scheduler or hashes of LoRAs. Bounded by the adapter. */
  readonly details?: Readonly<Record<string, string>>;
}

export interface EngineModel {
  readonly name: string;
  /** Width and height must be multiples of this. */
  readonly dimensionMultiple: number;
  readonly defaultWidth: number;
  readonly defaultHeight: number;
  /** Zero when the engine decides. */
  readonly defaultSteps: number;
  /** Zero when the engine decides. */
  readonly defaultGuidanceScale: number;
  readonly supportsNegativePrompt: boolean;
  /** Whether the guidance scale has an effect. */
  readonly supportsGuidanceScale: boolean;
  /** What this model wants of a size beyond all limits, for a person; undefined when it makes it. Absent: nothing. */
  readonly sizeFault?: (width: number, height: number) => string | undefined;
}

export interface EngineCapabilities {
  /** At least one; the first is the default. */
  readonly models: readonly [EngineModel, ...EngineModel[]];
  readonly loras: readonly { readonly name: string; readonly description: string }[];
  /** The first is the default; empty when the engine decides. */
  readonly samplers: readonly string[];
  /** Whether `text_encoder_strength` may differ from `strength`. */
  readonly supportsTextEncoderStrength: boolean;
  /** Whether a seed can be chosen. Default true. */
  readonly supportsSeed?: boolean;
  /** Greatest seed taken literally. Default 2^32 − 1. */
  readonly maxSeed?: number;
  readonly minDimension: number;
  readonly maxDimension: number;
  readonly maxPixels: number;
  /** Whether a negative prompt can be sent at all. Default true. */
  readonly takesNegativePrompt?: boolean;
  /** Zero when steps cannot be chosen. */
  readonly maxSteps: number;
  /** Zero when the guidance scale cannot be chosen. */
  readonly maxGuidanceScale: number;
  /** Zero when LoRAs cannot be chosen. */
  readonly maxLoras: number;
  readonly maxLoraStrength: number;
}

/** Whether an engine that lives elsewhere is there. */
export interface EngineHealth {
  readonly available: boolean;
  /** Why not, for a person; empty when it is. */
  readonly reason: string;
  /** Calls `listener` after every change, until the returned function is called. */
  onChange(listener: () => void): () => void;
}

export interface ImageEngine {
  /** Name of the engine for callers, logs and the archive record. */
  readonly name: string;
  /** What the engine has now. May be asked at every call: cache what is dear. */
  capabilities(signal: AbortSignal): Promise<EngineCapabilities>;
  /**
   * Runs one job. Yields progress and previews, then one `image`, then ends. The job is checked against
   * `capabilities` before. When `signal` aborts or the consumer returns early, the engine's work for this job
   * stops and the generator throws `signal.reason` or ends; nothing of the job runs on.
   * @throws {EngineError} for everything the engine does wrong.
   * @throws {InvalidRequestError | PreconditionError} for what turns out to be the request's fault.
   */
  generate(job: EngineJob, signal: AbortSignal): AsyncGenerator<EngineEvent, void, undefined>;
  /** Jobs it can do at once; absent when that is for the configuration to say. */
  readonly capacity?: number;
  /** Absent for an engine that is always there. */
  readonly health?: EngineHealth;
  /** As `capabilities`, after a look at what is new: a name was not known. */
  renewCapabilities?(signal: AbortSignal): Promise<EngineCapabilities>;
  /** Ends what still runs and lets go of everything. No job may be running. */
  close?(): Promise<void>;
}
