/** The node classes of the simulated ComfyUI, with what `/object_info` says of them and what `/prompt` checks. */

export interface ComfyuiFiles {
  readonly checkpoints: readonly string[];
  readonly loras: readonly string[];
}

export const CHECKPOINTS = ['dreamshaper_8.safetensors', 'sdxl/sd_xl_base_1.0.safetensors'];
export const LORAS = ['inkstyle.safetensors', 'styles/watercolour.safetensors'];
export const SAMPLERS = ['dpmpp_2m', 'euler', 'euler_ancestral'];
export const SCHEDULERS = ['normal', 'karras', 'simple'];

type Options = Readonly<Record<string, unknown>>;
/** [type or list, options]: as the engine writes it. */
export type InputSpec = readonly [string | readonly string[], Options?];

export interface NodeClass {
  readonly inputs: Readonly<Record<string, InputSpec>>;
  readonly outputs: readonly string[];
  readonly isOutput?: boolean;
}

const side = (step: number): InputSpec => ['INT', { default: 512, min: 16, max: 16_384, step }];
const strength: InputSpec = ['FLOAT', { default: 1, min: -100, max: 100, step: 0.01 }];
const text: InputSpec = ['STRING', { multiline: true, dynamicPrompts: true }];
const batch: InputSpec = ['INT', { default: 1, min: 1, max: 4_096 }];

/** Every class the engine has, with the files that are beside it now. */
export function nodeClasses({ checkpoints, loras }: ComfyuiFiles): Readonly<Record<string, NodeClass>> {
  const model: InputSpec = ['MODEL'];
  return {
    CheckpointLoaderSimple: { inputs: { ckpt_name: [checkpoints] }, outputs: ['MODEL', 'CLIP', 'VAE'] },
    LoraLoader: {
      inputs: {
        model,
        clip: ['CLIP'],
        lora_name: [loras],
        strength_model: strength,
        strength_clip: strength,
      },
      outputs: ['MODEL', 'CLIP'],
    },
    LoraLoaderModelOnly: {
      inputs: { model, lora_name: [loras], strength_model: strength },
      outputs: ['MODEL'],
    },
    UNETLoader: {
      // Second generation nodes write their choices so.
      inputs: {
        unet_name: ['COMBO', { options: ['flux1-dev.safetensors', 'wan2.1.safetensors'] }],
        weight_dtype: [['default', 'fp8_e4m3fn']],
      },
      outputs: ['MODEL'],
    },
    DualCLIPLoader: {
      inputs: {
        clip_name1: [['clip_l.safetensors', 't5xxl_fp16.safetensors']],
        clip_name2: [['clip_l.safetensors', 't5xxl_fp16.safetensors']],
        type: [['sdxl', 'sd3', 'flux']],
      },
      outputs: ['CLIP'],
    },
    VAELoader: { inputs: { vae_name: [['ae.safetensors']] }, outputs: ['VAE'] },
    CLIPTextEncode: { inputs: { clip: ['CLIP'], text }, outputs: ['CONDITIONING'] },
    FluxGuidance: {
      inputs: { conditioning: ['CONDITIONING'], guidance: ['FLOAT', { default: 3.5, min: 0, max: 100 }] },
      outputs: ['CONDITIONING'],
    },
    ConditioningZeroOut: { inputs: { conditioning: ['CONDITIONING'] }, outputs: ['CONDITIONING'] },
    EmptyLatentImage: {
      inputs: { width: side(8), height: side(8), batch_size: batch },
      outputs: ['LATENT'],
    },
    EmptySD3LatentImage: {
      inputs: { width: side(16), height: side(16), batch_size: batch },
      outputs: ['LATENT'],
    },
    KSampler: {
      inputs: {
        model,
        positive: ['CONDITIONING'],
        negative: ['CONDITIONING'],
        latent_image: ['LATENT'],
        seed: ['INT', { default: 0, min: 0, max: 2 ** 64 }],
        steps: ['INT', { default: 20, min: 1, max: 10_000 }],
        cfg: ['FLOAT', { default: 8, min: 0, max: 100, step: 0.1 }],
        sampler_name: [SAMPLERS],
        scheduler: [SCHEDULERS],
        denoise: ['FLOAT', { default: 1, min: 0, max: 1 }],
      },
      outputs: ['LATENT'],
    },
    VAEDecode: { inputs: { samples: ['LATENT'], vae: ['VAE'] }, outputs: ['IMAGE'] },
    SaveImage: {
      inputs: { images: ['IMAGE'], filename_prefix: ['STRING', { default: 'ComfyUI' }] },
      outputs: [],
      isOutput: true,
    },
  };
}

/** As `/object_info/{class}` has it. */
export const objectInfo = (name: string, { inputs, outputs, isOutput = false }: NodeClass) => ({
  input: { required: inputs },
  input_order: { required: Object.keys(inputs) },
  output: outputs,
  output_is_list: outputs.map(() => false),
  output_name: outputs,
  name,
  display_name: name,
  description: '',
  python_module: 'nodes',
  category: 'sd',
  output_node: isOutput,
});
