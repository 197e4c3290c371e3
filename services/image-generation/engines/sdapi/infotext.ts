/** What the engine tells of a finished picture: the `info` of txt2img, a JSON text. */
import type { EngineJob, EngineReport, GenerationWarning } from '../../image-engine.ts';
import { engineError } from '../http/engine-failure.ts';
import { at, listAt, numberAt, textAt } from '../http/json-reading.ts';
import type { WebuiDialect } from './dialect.ts';

export interface Account {
  readonly seed: number;
  readonly used: EngineReport;
  readonly warnings: readonly GenerationWarning[];
}

const MAX_DETAILS = 16;
const MAX_DETAIL_LENGTH = 200;

/**
 * Reads `info` and holds it against the job.
 * @throws {EngineError} FAILED when the engine tells which LoRAs it has applied and one is missing.
 */
export function readAccount(info: unknown, job: EngineJob, dialect: WebuiDialect): Account {
  const told = typeof info === 'string' ? parsed(info) : info;
  const extra = at(told, 'extra_generation_params');
  const seed = numberAt(told, 'seed') ?? numberAt(listAt(told, 'all_seeds')[0]) ?? job.seed;
  const warnings: GenerationWarning[] = [];
  if (seed !== job.seed) {
    const message = `the engine used seed ${seed} instead of ${job.seed}`;
    warnings.push({ reason: 'SEED_REPLACED', field: 'seed', message });
  }
  if (job.loras.length > 0 && dialect.loras === 'tags') {
    const applied = appliedLoras(textAt(extra, 'Lora hashes'));
    const missing = job.loras.filter(({ name, strength, textEncoderStrength }) => {
      const acts = strength !== 0 || textEncoderStrength !== 0;
      return acts && !applied.has(name.replaceAll(/[:,]/g, ''));
    });
    if (missing.length > 0 && (dialect.tellsLoras || applied.size > 0)) {
      throw engineError('FAILED', `${missing.length} of ${job.loras.length} LoRAs were not applied`);
    }
    if (missing.length > 0) {
      const message = 'the engine does not tell which LoRAs it has applied';
      warnings.push({ reason: 'LORAS_NOT_VERIFIED', field: 'loras', message });
    }
  }
  return { seed, warnings, used: report(told, extra) };
}

/** Names before the colons of "inkstyle: ab12, other: cd34". */
function appliedLoras(hashes: string | undefined): ReadonlySet<string> {
  return new Set((hashes ?? '').split(', ').flatMap((pair) => /^(.+): [^:]*$/.exec(pair)?.[1] ?? []));
}

function report(told: unknown, extra: unknown): EngineReport {
  const model = textAt(told, 'sd_model_name');
  const sampler = textAt(told, 'sampler_name');
  const steps = numberAt(told, 'steps');
  const guidanceScale = numberAt(told, 'cfg_scale');
  const named = [
    ['version', textAt(told, 'version')],
    ['sd_model_hash', textAt(told, 'sd_model_hash')],
    ...Object.keys(typeof extra === 'object' && extra !== null ? extra : {}).map(
      (name) => [name, textAt(extra, name)] as const,
    ),
  ] as const;
  const details = named.flatMap(([name, value]) =>
    value === undefined ? [] : [[name.slice(0, 64), value.slice(0, MAX_DETAIL_LENGTH)] as const],
  );
  return {
    ...(model === undefined ? {} : { model }),
    ...(sampler === undefined ? {} : { sampler }),
    ...(steps === undefined ? {} : { steps }),
    ...(guidanceScale === undefined ? {} : { guidanceScale }),
    ...(details.length === 0 ? {} : { details: Object.fromEntries(details.slice(0, MAX_DETAILS)) }),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
