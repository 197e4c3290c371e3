import { InvalidRequestError, unsupported } from '../../errors.ts';
import type { EngineJob } from '../../image-engine.ts';
import { engineError } from '../http/engine-failure.ts';
import type { Dialect } from './dialects.ts';
import { modelRules } from './model-rules.ts';
import { UNNAMED_MODEL } from './openai-capabilities.ts';

/**
 * Body of `POST /images/generations`. Steps and guidance of zero are the engine's to choose, and left out; `n` too,
 * whose default is 1 everywhere.
 * @throws {InvalidRequestError} for a prompt that the engine would take apart.
 * @throws {PreconditionError} for what the dialect cannot say. @throws {EngineError} REJECTED for an unknown LoRA.
 */
export function imagesRequest(
  job: EngineJob,
  dialect: Dialect,
  loras: ReadonlyMap<string, string>,
): Record<string, unknown> {
  const { steps, guidance } = dialect;
  const rules = modelRules(job.model, dialect);
  return {
    ...(job.model === UNNAMED_MODEL ? {} : { model: job.model }),
    ...promptFields(job, dialect),
    size: `${job.width}x${job.height}`,
    ...rules.fields,
    ...seedField(job, dialect),
    ...(steps === undefined || job.steps === 0 ? {} : { [steps.field]: job.steps }),
    ...(guidance === undefined || job.guidanceScale === 0
      ? {}
      : {
          [guidance.field(job.model)]: guidance.fractionOnly
            ? withFraction(job.guidanceScale)
            : job.guidanceScale,
        }),
    ...loraField(job, dialect, loras),
  };
}

function promptFields({ prompt, negativePrompt }: EngineJob, { negativePrompt: way }: Dialect) {
  if (way !== 'behind-bar') {
    return {
      prompt,
      ...(way === 'none' || negativePrompt === '' ? {} : { negative_prompt: negativePrompt }),
    };
  }
  const broken = (
    [
      ['prompt', prompt],
      ['negative_prompt', negativePrompt],
    ] as const
  ).flatMap(([field, text]) => (text.includes('|') ? [barInPrompt(field)] : []));
  const [first, ...others] = broken;
  if (first !== undefined) throw new InvalidRequestError([first, ...others]);
  return { prompt: negativePrompt === '' ? prompt : `${prompt}|${negativePrompt}` };
}

const barInPrompt = (field: string) => ({
  field,
  reason: 'PROMPT_CONTROL_TAG',
  description: 'must not hold "|", which this engine takes for the beginning of the negative prompt',
});

function seedField({ seed }: EngineJob, dialect: Dialect): Record<string, number> {
  if (dialect.seed === undefined) return {};
  const { field, min, max } = dialect.seed;
  if (seed < min || seed > max) throw unsupported(`seed: this engine takes seeds from ${min} to ${max}`);
  return { [field]: seed };
}

function loraField({ loras }: EngineJob, dialect: Dialect, paths: ReadonlyMap<string, string>) {
  const [lora, ...others] = loras;
  if (lora === undefined) return {};
  const path = paths.get(lora.name);
  if (path === undefined || others.length >= dialect.maxLoras) {
    throw engineError('REJECTED', 'the LoRAs of the job are not among those of the engine');
  }
  return { lora: { name: lora.name, path, scale: lora.strength } };
}

/** The next number that JSON writes with a fraction; as a 32-bit float, which is what is read, it is the same. */
const withFraction = (value: number): number =>
  Number.isInteger(value) ? value * (1 + Number.EPSILON) : value;
