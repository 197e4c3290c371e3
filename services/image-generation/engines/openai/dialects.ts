/** What the engines that speak `/v1/images/generations` add to it and leave out. Sources: reference §§ 1b and 3.2, and each project's own. */

export const DIALECT_NAMES = ['openai', 'vllm-omni', 'sglang', 'localai', 'ovms', 'lemonade'] as const;

export type DialectName = (typeof DIALECT_NAMES)[number];

export interface Dialect {
  readonly name: DialectName;
  /** Where the routes are when the engine's URL has no path of its own. */
  readonly path: '/v1' | '/v3' | '/api/v1';
  /** The field for a seed and the seeds it takes literally; absent: none can be sent. */
  readonly seed?: { readonly field: string; readonly min: number; readonly max: number };
  readonly steps?: { readonly field: string; readonly max: number };
  readonly guidance?: {
    readonly field: (model: string) => string;
    readonly max: number;
    /** The field's type is strict: a number without a fraction is refused. */
    readonly fractionOnly?: true;
  };
  /** A field of its own; behind a "|" in the prompt; or not at all. */
  readonly negativePrompt: 'field' | 'behind-bar' | 'none';
  /** LoRAs in one request. */
  readonly maxLoras: 0 | 1;
  /** Sent with every request. */
  readonly fields: Readonly<Record<string, string>>;
  readonly dimensionMultiple: number;
  readonly maxDimension: number;
  readonly maxPixels: number;
  /** Pixels a side when neither caller nor engine says anything. */
  readonly defaultSide: number;
  /** The engine's work for a request ends with its connection. Where not, the work runs out, its place taken. */
  readonly stopsOnDisconnect: boolean;
  /** It may answer with a link to the picture although asked for its bytes. */
  readonly mayLink: boolean;
  /** Jobs at once at one URL, unless ENGINE_CONCURRENCY says. */
  readonly capacity: number;
}

const MAX_SEED = 2 ** 32 - 1;
const MAX_SIGNED_SEED = 2 ** 31 - 1;

/** Models with true classifier-free guidance call its scale so; `guidance_scale` is the distilled one there. */
const omniGuidance = (model: string): string =>
  /qwen-?image/i.test(model) ? 'true_cfg_scale' : 'guidance_scale';

/** The specification and no more: what `auto` takes for an engine it does not know. */
const openai: Dialect = {
  name: 'openai',
  path: '/v1',
  negativePrompt: 'none',
  maxLoras: 0,
  fields: {}, // They depend on the model: model-rules.ts.
  dimensionMultiple: 16,
  maxDimension: 3_840,
  maxPixels: 8_294_400,
  defaultSide: 1_024,
  stopsOnDisconnect: true,
  mayLink: true,
  capacity: 4,
};

/** vllm_omni/entrypoints/openai/protocol/images.py. One aborted request aborted all later ones (vllm-omni issue 3167). */
const vllmOmni: Dialect = {
  name: 'vllm-omni',
  path: '/v1',
  seed: { field: 'seed', min: 0, max: MAX_SEED },
  steps: { field: 'num_inference_steps', max: 200 },
  guidance: { field: omniGuidance, max: 20 },
  negativePrompt: 'field',
  maxLoras: 1,
  fields: { response_format: 'b64_json', output_format: 'png' },
  dimensionMultiple: 16,
  maxDimension: 2_048,
  maxPixels: 2_048 ** 2,
  defaultSide: 1_024,
  stopsOnDisconnect: false,
  mayLink: false,
  capacity: 1,
};

/** sglang/multimodal_gen/runtime/entrypoints/openai/. Defaults there: seed 1024, a link, JPEG. LoRAs are global. */
const sglang: Dialect = {
  ...vllmOmni,
  name: 'sglang',
  maxLoras: 0,
  mayLink: true,
};

/** core/http/endpoints/openai/image.go; seeds are int32 and 0 means random (backend/python/diffusers). */
const localai: Dialect = {
  name: 'localai',
  path: '/v1',
  seed: { field: 'seed', min: 1, max: MAX_SIGNED_SEED },
  steps: { field: 'step', max: 150 },
  negativePrompt: 'behind-bar',
  maxLoras: 0, // Of the model's own file.
  fields: { response_format: 'b64_json' },
  dimensionMultiple: 64, // What its stable-diffusion.cpp backend makes without rounding.
  maxDimension: 2_048,
  maxPixels: 2_048 ** 2,
  defaultSide: 512,
  stopsOnDisconnect: true,
  mayLink: true,
  capacity: 1,
};

/** OpenVINO Model Server, src/image_gen/imagegenutils.cpp: every other field is an error, and `IsFloat()` means it. */
const ovms: Dialect = {
  name: 'ovms',
  path: '/v3',
  seed: { field: 'rng_seed', min: 0, max: MAX_SEED },
  steps: { field: 'num_inference_steps', max: 100 },
  guidance: { field: () => 'guidance_scale', max: 30, fractionOnly: true },
  negativePrompt: 'field',
  maxLoras: 0,
  fields: { response_format: 'b64_json' },
  dimensionMultiple: 8,
  maxDimension: 2_048,
  maxPixels: 2_048 ** 2,
  defaultSide: 512,
  stopsOnDisconnect: false,
  mayLink: false,
  capacity: 1,
};

/** Lemonade Server, src/cpp/server/backends/sd_server.cpp: reads the seed as an int and hands on to sd-server. */
const lemonade: Dialect = {
  name: 'lemonade',
  path: '/api/v1',
  seed: { field: 'seed', min: 0, max: MAX_SIGNED_SEED },
  steps: { field: 'steps', max: 100 }, // sd-server cuts silently to this.
  guidance: { field: () => 'cfg_scale', max: 30 },
  negativePrompt: 'none',
  maxLoras: 0,
  fields: { response_format: 'b64_json' },
  dimensionMultiple: 64, // sd-server rounds up to this.
  maxDimension: 2_048,
  maxPixels: 2_048 ** 2,
  defaultSide: 512,
  stopsOnDisconnect: false,
  mayLink: false,
  capacity: 1,
};

export const DIALECTS: Readonly<Record<DialectName, Dialect>> = {
  openai,
  'vllm-omni': vllmOmni,
  sglang,
  localai,
  ovms,
  lemonade,
};
