/** Which of the programs that speak sdapi this is, and what it has. Found by asking; reference § 3. */
import type { EngineCapabilities } from '../../image-engine.ts';
import { askOptional } from '../http/ask-json.ts';
import type { EngineConnection } from '../http/engine-connection.ts';
import { textAt } from '../http/json-reading.ts';
import type { SamplerChoice } from '../http/sampler-choices.ts';
import { sdCppCapabilities } from './sdcpp-capabilities.ts';
import { type WebuiLists, webuiDialect } from './webui-dialect.ts';

export type Dialect = SdCppDialect | WebuiDialect;

/** stable-diffusion.cpp's sd-server with its own job protocol: no prompt is parsed there, LoRA paths are checked. */
export interface SdCppDialect {
  readonly kind: 'sdcpp';
  readonly capabilities: EngineCapabilities;
  /** From a LoRA's name to what the engine calls it. */
  readonly loraPaths: ReadonlyMap<string, string>;
  readonly samplers: ReadonlyMap<string, SamplerChoice>;
}

/** Everything that answers `/sdapi/v1/txt2img`. */
export interface WebuiDialect {
  readonly kind: 'webui';
  readonly capabilities: EngineCapabilities;
  /** In the prompt (A1111, Forge, SD.Next), in a field (sd-server before its own protocol), or not at all. */
  readonly loras: 'tags' | 'field' | 'none';
  readonly loraPaths: ReadonlyMap<string, string>;
  /** The engine says so when it writes the LoRAs it has applied into its answer. */
  readonly tellsLoras: boolean;
  readonly samplers: ReadonlyMap<string, SamplerChoice>;
  /** From a model's name to the title that chooses it; empty when the engine has the one model. */
  readonly modelTitles: ReadonlyMap<string, string>;
}

/** @throws {EngineError} when the engine is not there, or answers with anything but what it has or "no such route". */
export async function findDialect(connection: EngineConnection, signal: AbortSignal): Promise<Dialect> {
  const native = await askOptional(connection, '/sdcpp/v1/capabilities', signal);
  if (native !== undefined) return sdCppCapabilities(native);
  const ask = (path: string): Promise<unknown> => askOptional(connection, path, signal);
  // One after the other: small servers have few threads, and a busy one must not be flooded.
  const lists: WebuiLists = {
    isKoboldCpp: textAt(await ask('/api/extra/version'), 'result') === 'KoboldCpp',
    models: await ask('/sdapi/v1/sd-models'),
    options: await ask('/sdapi/v1/options'),
    samplers: await ask('/sdapi/v1/samplers'),
    schedulers: await ask('/sdapi/v1/schedulers'),
    loras: await ask('/sdapi/v1/loras'),
  };
  return webuiDialect(lists);
}
