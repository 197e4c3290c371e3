/** Where at an engine URL the routes are, whose dialect it speaks, and what it has. */
import type { EngineCapabilities } from '../../image-engine.ts';
import { askOptional } from '../http/ask-json.ts';
import type { EngineConnection } from '../http/engine-connection.ts';
import { engineError } from '../http/engine-failure.ts';
import type { OpenaiConfig } from './config.ts';
import { type Dialect, DIALECTS } from './dialects.ts';
import { dialectOf, imageModels, isSdServer } from './listed-models.ts';
import { openaiCapabilities } from './openai-capabilities.ts';

export interface Place {
  /** Before `/models` and `/images/generations`, below the engine's URL. */
  readonly base: string;
  readonly dialect: Dialect;
  readonly capabilities: EngineCapabilities;
}

export type PlaceSettings = Pick<OpenaiConfig, 'dialect' | 'models' | 'loras'>;

/** Tried in this order, unless the URL has a path, as OpenAI's own clients want it. */
const BASES = ['/v1', '/v3', '/api/v1'] as const;

/** Whether the URL names the routes' place itself. */
export const hasPath = (url: string): boolean => new URL(url).pathname !== '/';

/** Where the list of models is asked for before the place is known. */
export function likelyBase(url: string, { dialect }: PlaceSettings): string {
  if (hasPath(url)) return '';
  return dialect === 'auto' ? BASES[0] : DIALECTS[dialect].path;
}

/** @throws {EngineError} when the engine is not there or answers with anything but a list or "no such route". */
export async function findPlace(
  connection: EngineConnection,
  url: string,
  settings: PlaceSettings,
  signal: AbortSignal,
): Promise<Place> {
  const wanted = settings.dialect;
  const bases = wanted === 'auto' && !hasPath(url) ? BASES : [likelyBase(url, settings)];
  const { base, list } = await findList(connection, bases, signal);
  if (isSdServer(list)) {
    throw engineError('FAILED', 'this is stable-diffusion.cpp, whose seeds ENGINE=sdapi can set');
  }
  const dialect = DIALECTS[wanted === 'auto' ? dialectOf(list) : wanted];
  const listed = imageModels(list, dialect);
  const models =
    settings.models.length === 0
      ? listed
      : settings.models.map((id) => listed.find((model) => model.id === id) ?? { id, defaults: {} });
  const loras = dialect.maxLoras === 0 ? new Map<string, string>() : settings.loras;
  return { base, dialect, capabilities: openaiCapabilities(dialect, models, loras) };
}

/** The first list that there is; the first base without a list when there is none. */
async function findList(
  connection: EngineConnection,
  bases: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly base: string; readonly list: unknown }> {
  for (const base of bases) {
    const list = await askOptional(connection, `${base}/models`, signal);
    if (list !== undefined) return { base, list };
  }
  return { base: bases[0] ?? '', list: undefined };
}
