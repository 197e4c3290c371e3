/** The variables that choose and reach the engine. */
import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { type ConfigFault, integer, oneOf, secret, text, urlList } from '../../runtime/environment.ts';
import type { ApiKeySource } from './http/api-key.ts';
import { type ComfyuiConfig, comfyuiConfig, comfyuiVariables } from './comfyui/config.ts';
import { type OpenaiConfig, openaiConfig, openaiVariables } from './openai/config.ts';
import { type SdapiConfig, sdapiConfig } from './sdapi/config.ts';

/** One line for each engine that is reached over HTTP. */
const REMOTE_ENGINES = { sdapi: sdapiConfig, openai: openaiConfig, comfyui: comfyuiConfig } as const;

/** What each engine's own file makes of the variables. */
export type EngineConfig = ProceduralConfig | SdapiConfig | OpenaiConfig | ComfyuiConfig;

export interface ProceduralConfig {
  readonly kind: 'procedural';
}

/** What every engine over HTTP needs. */
export interface RemoteEngineConfig {
  /** At least one. */
  readonly urls: readonly string[];
  /** Longest a job may take at the engine. */
  readonly timeoutMs: number;
  readonly apiKey: ApiKeySource;
  /** ENGINE_CONCURRENCY, when it is set. */
  readonly concurrency: number | undefined;
}

type RemoteKind = keyof typeof REMOTE_ENGINES;
const KINDS = ['procedural', ...(Object.keys(REMOTE_ENGINES) as RemoteKind[])] as const;

export const engineVariables = {
  ENGINE: oneOf('What makes the images.', KINDS).prefault('procedural'),
  ENGINE_URLS: urlList('Where the engines are; jobs go to the least busy.', ['http', 'https']).optional(),
  ENGINE_API_KEY: secret('Key of the engines, sent as a bearer token.').optional(),
  ENGINE_API_KEY_FILE: text('File with the key, read for every request.', 'a path').optional(),
  ENGINE_TIMEOUT_SECONDS: integer('Longest a job may take at its engine.', 1, 86_400).prefault('600'),
  ENGINE_CONCURRENCY: integer('Generations that run at once.', 1, 256).optional(),
  ...openaiVariables,
  ...comfyuiVariables,
};

/** The variables as they were read. */
export type EngineSettings = z.output<z.ZodObject<typeof engineVariables>>;

export type AddFault = (name: string, expected: string, value: string | undefined) => void;

/** The chosen engine's configuration; what does not fit together goes to `faults`. */
export function engineConfig(read: EngineSettings, faults: ConfigFault[]): EngineConfig {
  const add: AddFault = (name, expected, value) => void faults.push({ name, expected, value });
  if (read.ENGINE === 'procedural') return { kind: 'procedural' };
  if (read.ENGINE_URLS === undefined) {
    add('ENGINE_URLS', `a comma list of URLs, which ENGINE=${read.ENGINE} needs`, undefined);
  }
  const remote: RemoteEngineConfig = {
    urls: [...new Set(read.ENGINE_URLS ?? [])],
    timeoutMs: read.ENGINE_TIMEOUT_SECONDS * 1_000,
    apiKey: apiKeySource(read, add),
    concurrency: read.ENGINE_CONCURRENCY,
  };
  return REMOTE_ENGINES[read.ENGINE](remote, add, read);
}

function apiKeySource(read: EngineSettings, add: AddFault): ApiKeySource {
  const { ENGINE_API_KEY: value, ENGINE_API_KEY_FILE: path } = read;
  if (value !== undefined && path !== undefined) {
    add('ENGINE_API_KEY_FILE', 'nothing beside ENGINE_API_KEY', path);
  }
  if (path === undefined) return value === undefined ? { kind: 'none' } : { kind: 'value', value };
  if (!isReadable(path)) add('ENGINE_API_KEY_FILE', 'a file that can be read and is not empty', path);
  return { kind: 'file', path };
}

function isReadable(path: string): boolean {
  try {
    return readFileSync(path, 'utf8').trim() !== '';
  } catch {
    return false;
  }
}
