/** Reads `GET /models`: which engine that is, and which of its models make images. */
import { at, listAt, numberAt, textAt } from '../http/json-reading.ts';
import type { Dialect, DialectName } from './dialects.ts';

/** A model as the engine lists it. */
export interface ListedModel {
  readonly id: string;
  /** What the engine uses when a request does not say (Lemonade tells). */
  readonly defaults: {
    readonly width?: number | undefined;
    readonly height?: number | undefined;
    readonly steps?: number | undefined;
    readonly guidanceScale?: number | undefined;
  };
}

/** Owners that the programs put into their lists. */
const OWNERS: readonly (readonly [RegExp, DialectName])[] = [
  [/^vllm/i, 'vllm-omni'],
  [/^sglang/i, 'sglang'],
  [/^lemonade/i, 'lemonade'],
  [/^ovms/i, 'ovms'],
];

/** The dialect of the program that made the list; the plain specification when it does not tell. */
export function dialectOf(list: unknown): DialectName {
  const entries = listAt(list, 'data');
  const owners = entries.map((entry) => textAt(entry, 'owned_by'));
  for (const [pattern, name] of OWNERS) if (owners.some((owner) => pattern.test(owner ?? ''))) return name;
  // LocalAI's entries are an id and "model", and nothing else.
  const bare = entries.every(
    (entry) =>
      Object.keys(entry ?? {})
        .toSorted()
        .join() === 'id,object',
  );
  return entries.length > 0 && bare ? 'localai' : 'openai';
}

/** The models that make images, the likeliest default first. */
export function imageModels(list: unknown, { name }: Dialect): ListedModel[] {
  const entries = listAt(list, 'data').filter((entry) => textAt(entry, 'id') !== undefined);
  return entries
    .filter((entry) => makesImages(entry, entries, name))
    .map(listedModel)
    .toSorted(newestFirst);
}

/** stable-diffusion.cpp's sd-server: its seed is none of this protocol, so every picture would be the same. */
export const isSdServer = (list: unknown): boolean =>
  listAt(list, 'data').some((entry) => textAt(entry, 'id') === 'sd-cpp-local');

/** OpenAI lists every model there is; Lemonade labels its own. The others have one, or do not tell. */
function makesImages(entry: unknown, all: readonly unknown[], dialect: DialectName): boolean {
  if (dialect === 'lemonade') return listAt(entry, 'labels').includes('image');
  const named = (other: unknown): boolean => /image|dall-e/i.test(textAt(other, 'id') ?? '');
  return dialect !== 'openai' || !all.some(named) || named(entry);
}

function listedModel(entry: unknown): ListedModel {
  const defaults = at(entry, 'image_defaults');
  return {
    id: textAt(entry, 'id') ?? '',
    defaults: {
      width: numberAt(defaults, 'width'),
      height: numberAt(defaults, 'height'),
      steps: numberAt(defaults, 'steps'),
      guidanceScale: numberAt(defaults, 'cfg_scale'),
    },
  };
}

/** OpenAI's list is in no order: its image models before older ones, the rest as listed. */
function newestFirst(a: ListedModel, b: ListedModel): number {
  const isGpt = ({ id }: ListedModel): boolean => id.startsWith('gpt-image');
  return isGpt(a) && isGpt(b) ? b.id.localeCompare(a.id) : Number(isGpt(b)) - Number(isGpt(a));
}
