import type { EngineModel } from '../../image-engine.ts';
import { at, listAt, textAt } from '../http/json-reading.ts';
import type { WebuiDialect } from './dialect.ts';
import { namedLoras } from './named-loras.ts';
import { samplerChoices } from '../http/sampler-choices.ts';

/** Answers of the routes that list something; undefined for a route the engine does not have. */
export interface WebuiLists {
  readonly isKoboldCpp: boolean;
  readonly models: unknown;
  readonly options: unknown;
  readonly samplers: unknown;
  readonly schedulers: unknown;
  readonly loras: unknown;
}

/** Name of the one model of an engine that does not tell (the Draw Things app). */
const UNNAMED_MODEL = 'default';
/** What A1111's API uses when no sampler is named. */
const DEFAULT_SAMPLERS = ['Euler', 'Euler a', 'euler', 'euler_a'] as const;

interface Limits {
  /** Sizes that are no multiple come back rounded. */
  readonly multiple: number;
  readonly maxSide: number;
  readonly maxSteps: number;
}

const WEBUI_LIMITS: Limits = { multiple: 8, maxSide: 2_048, maxSteps: 150 };
/** KoboldCpp rounds down to 64 and cuts sizes and steps (seen with 1.76). */
const KOBOLDCPP_LIMITS: Limits = { multiple: 64, maxSide: 1_024, maxSteps: 80 };
/** sd-server rounds up to 64 and cuts steps. */
const SD_SERVER_LIMITS: Limits = { multiple: 64, maxSide: 2_048, maxSteps: 100 };
/** sd-server's sdapi takes seeds as 32-bit signed numbers, of which the negative ones are "random". */
const MAX_SIGNED_SEED = 2 ** 31 - 1;

/** Makes sense of what the engine listed. */
export function webuiDialect(lists: WebuiLists): WebuiDialect {
  const loraList = listAt(lists.loras);
  // A1111, Forge and SD.Next list an alias; sd-server lists a path that its `lora` field takes.
  const isSdServer = !lists.isKoboldCpp && isSdServerList(lists);
  const transport = lists.loras === undefined ? 'none' : isSdServer ? 'field' : 'tags';
  const loraPaths = namedLoras(loraList, isSdServer ? 'path' : 'name');
  const limits = lists.isKoboldCpp ? KOBOLDCPP_LIMITS : isSdServer ? SD_SERVER_LIMITS : WEBUI_LIMITS;
  const names = (list: unknown, field: string): string[] =>
    listAt(list).flatMap((entry) => textAt(entry, field) ?? []);
  const samplerNames = names(lists.samplers, 'name');
  const preferred = DEFAULT_SAMPLERS.find((name) => samplerNames.includes(name));
  const samplers = samplerChoices(samplerNames, names(lists.schedulers, 'label'), preferred);
  const titles = modelTitles(lists);
  const [first = UNNAMED_MODEL, ...others] = titles.keys();
  return {
    kind: 'webui',
    loras: transport,
    loraPaths,
    tellsLoras: at(lists.options, 'lora_add_hashes_to_infotext') === true,
    samplers,
    modelTitles: lists.isKoboldCpp || isSdServer ? new Map() : titles,
    capabilities: {
      models: [webuiModel(first, limits), ...others.map((name) => webuiModel(name, limits))],
      loras: [...loraPaths.keys()].map((name) => ({ name, description: '' })),
      samplers: [...samplers.keys()],
      supportsTextEncoderStrength: transport === 'tags',
      ...(isSdServer || lists.isKoboldCpp ? { maxSeed: MAX_SIGNED_SEED } : {}),
      minDimension: 64,
      maxDimension: limits.maxSide,
      maxPixels: limits.maxSide ** 2,
      maxSteps: limits.maxSteps,
      maxGuidanceScale: 30,
      maxLoras: transport === 'none' || loraPaths.size === 0 ? 0 : 8,
      maxLoraStrength: 2,
    },
  };
}

/** sd-server before its own protocol: its options are these two (api.md), its LoRAs have no alias. */
function isSdServerList({ options, loras }: WebuiLists): boolean {
  const [lora] = listAt(loras);
  if (lora !== undefined) return at(lora, 'alias') === undefined && textAt(lora, 'path') !== undefined;
  if (typeof options !== 'object' || options === null) return false;
  return Object.keys(options).toSorted().join() === 'samples_format,sd_model_checkpoint';
}

/** From a model's name to its title, the loaded one first. */
function modelTitles({ models, options }: WebuiLists): Map<string, string> {
  const loaded = textAt(options, 'sd_model_checkpoint');
  const entries = listAt(models).flatMap((entry) => {
    const title = textAt(entry, 'title');
    const name = textAt(entry, 'model_name') ?? title;
    return title === undefined || name === undefined ? [] : [[name, title] as const];
  });
  const isLoaded = (title: string): boolean => title === loaded;
  return new Map(entries.toSorted((a, b) => Number(isLoaded(b[1])) - Number(isLoaded(a[1]))));
}

/** The side a family of models was trained for; its name is all an engine tells. */
const LARGE_FAMILY = /xl|pony|illustrious|noob|flux|sd_?3|stable-diffusion-3/i;
/** Distilled models that are made for a guidance of 1. */
const GUIDED_FAMILY = /flux|schnell|turbo|lightning/i;

function webuiModel(name: string, { multiple }: Limits): EngineModel {
  const side = LARGE_FAMILY.test(name) ? 1_024 : 512;
  return {
    name,
    dimensionMultiple: multiple,
    defaultWidth: side,
    defaultHeight: side,
    defaultSteps: 20,
    defaultGuidanceScale: GUIDED_FAMILY.test(name) ? 1 : 7,
    supportsNegativePrompt: true,
    supportsGuidanceScale: true,
  };
}
