/** What the simulated A1111 has and remembers. */
import type { SharedWorld } from './simulator-controls.ts';

export interface SdapiSimulatorOptions {
  readonly port?: number;
  readonly stepMs?: number;
  /** `webui`: A1111 and Forge. `global`: one that knows no task ids. `bare`: the Draw Things app, one route. */
  readonly flavour?: 'webui' | 'global' | 'bare';
  /** LoRA names. */
  readonly loras?: readonly string[];
  /** Whether it tells the LoRAs it has applied. */
  readonly tellsLoras?: boolean;
  /** Applies no LoRA at all, without a word, as Forge does when one of them is broken. */
  readonly dropsLoras?: boolean;
  /** HTTP Basic login it asks for, as `user:password`. */
  readonly login?: string;
}

export interface World extends SharedWorld {
  readonly options: SdapiSimulatorOptions;
  listed: string[];
  readonly onDisk: string[];
  loaded: string;
}

export const SAMPLERS = ['DPM++ 2M', 'Euler', 'Euler a'];
export const SCHEDULERS = ['Automatic', 'Karras'];
export const MODELS = [
  { title: 'dreamshaper_8.safetensors [879db523c3]', model_name: 'dreamshaper_8', hash: '879db523c3' },
  { title: 'sd_xl_base_1.0.safetensors [31e35c80fc]', model_name: 'sd_xl_base_1.0', hash: '31e35c80fc' },
];
