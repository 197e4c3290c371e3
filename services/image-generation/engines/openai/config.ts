import { oneOf, urlList, variable } from '../../../runtime/environment.ts';
import type { AddFault, RemoteEngineConfig } from '../config.ts';
import { DIALECT_NAMES, type DialectName } from './dialects.ts';

/** Names may not end or open a tag, nor be paths: those stand behind the "=" and never leave this process but to the engine. */
const LORA_ENTRY = /^([^=/\\:<>,\s]+)=(\S+)$/;

const OPENAI_HOST = 'api.openai.com';

const nameList = (purpose: string) =>
  variable({ expected: 'a comma list of names', purpose }, (value): readonly string[] | undefined => {
    const names = value.split(',').map((name) => name.trim());
    return names.includes('') ? undefined : [...new Set(names)];
  });

const loraList = (purpose: string) =>
  variable(
    { expected: 'a comma list of name=path', purpose },
    (value): ReadonlyMap<string, string> | undefined => {
      const entries = value.split(',').flatMap((entry) => {
        const [, name, path] = LORA_ENTRY.exec(entry.trim()) ?? [];
        return name === undefined || path === undefined ? [] : [[name, path] as const];
      });
      const loras = new Map(entries);
      return loras.size === value.split(',').length ? loras : undefined;
    },
  );

export const openaiVariables = {
  ENGINE_DIALECT: oneOf('Which engine it is that speaks the OpenAI images protocol.', [
    'auto',
    ...DIALECT_NAMES,
  ]).prefault('auto'),
  ENGINE_MODELS: nameList('Models to offer, the default first; unset: what the engine lists.').optional(),
  ENGINE_LORAS: loraList('LoRAs to offer, with their paths at the engine (vLLM-Omni).').optional(),
  ENGINE_IMAGE_ORIGINS: urlList('Where, beside the engine, pictures may be fetched from.', [
    'http',
    'https',
  ]).optional(),
};

/** The variables as they were read. */
export interface OpenaiSettings {
  readonly ENGINE_DIALECT: 'auto' | DialectName;
  readonly ENGINE_MODELS?: readonly string[] | undefined;
  readonly ENGINE_LORAS?: ReadonlyMap<string, string> | undefined;
  readonly ENGINE_IMAGE_ORIGINS?: readonly string[] | undefined;
}

export interface OpenaiConfig extends RemoteEngineConfig {
  readonly kind: 'openai';
  readonly dialect: 'auto' | DialectName;
  /** Empty: whatever the engine lists. */
  readonly models: readonly string[];
  /** From a LoRA's name to its path at the engine. */
  readonly loras: ReadonlyMap<string, string>;
  /** Origins, beside the engine's own, that links to pictures may point to. */
  readonly imageOrigins: readonly string[];
}

/** @param add Takes what does not fit together. */
export function openaiConfig(
  remote: RemoteEngineConfig,
  add: AddFault,
  settings: OpenaiSettings,
): OpenaiConfig {
  const { ENGINE_LORAS: loras = new Map<string, string>() } = settings;
  const isOpenai = remote.urls.length > 0 && remote.urls.every((url) => new URL(url).host === OPENAI_HOST);
  const dialect = settings.ENGINE_DIALECT === 'auto' && isOpenai ? 'openai' : settings.ENGINE_DIALECT;
  if (loras.size > 0 && dialect !== 'vllm-omni') {
    add('ENGINE_LORAS', 'nothing, unless ENGINE_DIALECT=vllm-omni', [...loras.keys()].join(','));
  }
  return {
    kind: 'openai',
    ...remote,
    dialect,
    models: settings.ENGINE_MODELS ?? [],
    loras,
    imageOrigins: (settings.ENGINE_IMAGE_ORIGINS ?? []).map((url) => new URL(url).origin),
  };
}
