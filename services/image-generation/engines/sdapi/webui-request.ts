import type { EngineJob, LoraApplication } from '../../image-engine.ts';
import { engineError } from '../http/engine-failure.ts';
import type { WebuiDialect } from './dialect.ts';

/** Body of `POST /sdapi/v1/txt2img`. @throws {EngineError} REJECTED for names that the engine does not have. */
export function txt2imgRequest(job: EngineJob, dialect: WebuiDialect): Record<string, unknown> {
  const choice = job.sampler === '' ? undefined : dialect.samplers.get(job.sampler);
  const title = dialect.modelTitles.get(job.model);
  const loras = knownLoras(job, dialect.loraPaths);
  const tags = dialect.loras === 'tags' ? loras.map(({ lora }) => ` ${loraTag(lora)}`).join('') : '';
  return {
    prompt: `${job.prompt}${tags}`,
    negative_prompt: job.negativePrompt,
    width: job.width,
    height: job.height,
    seed: job.seed,
    steps: job.steps,
    cfg_scale: job.guidanceScale,
    batch_size: 1,
    ...(choice === undefined ? {} : { sampler_name: choice.sampler }),
    ...(choice?.scheduler === undefined ? {} : { scheduler: choice.scheduler }),
    ...(dialect.loras === 'field'
      ? { lora: loras.map(({ lora, path }) => ({ path, multiplier: lora.strength })) }
      : {}),
    ...(isSdServer(dialect) ? {} : webuiFields(job, title)),
  };
}

const isSdServer = ({ loras }: WebuiDialect): boolean => loras === 'field';

/** What only A1111 and its kin know. The model is always named: another user may have loaded another one. */
function webuiFields(job: EngineJob, title: string | undefined): Record<string, unknown> {
  return {
    n_iter: 1,
    subseed: -1,
    send_images: true,
    save_images: false,
    force_task_id: job.requestId,
    ...(title === undefined
      ? {}
      : { override_settings: { sd_model_checkpoint: title }, override_settings_restore_afterwards: true }),
  };
}

/** The job's LoRAs with what the engine calls them. An unknown one would be left out silently, so nothing is sent. */
export function knownLoras(
  { loras }: EngineJob,
  paths: ReadonlyMap<string, string>,
): { readonly lora: LoraApplication; readonly path: string }[] {
  return loras.map((lora) => {
    const path = paths.get(lora.name);
    if (path === undefined)
      throw engineError('REJECTED', 'a LoRA of the job is not in the list of the engine');
    return { lora, path };
  });
}

/**
 * A1111's network tag. Grammar as in Forge's extra_networks_lora.py: text encoder first, then UNet, which defaults
 * to it.
 */
export function loraTag({ name, strength, textEncoderStrength }: LoraApplication): string {
  return strength === textEncoderStrength
    ? `<lora:${name}:${plainNumber(strength)}>`
    : `<lora:${name}:te=${plainNumber(textEncoderStrength)}:unet=${plainNumber(strength)}>`;
}

/** Without an exponent, 6 decimals at most. */
const plainNumber = (value: number): string => value.toFixed(6).replace(/\.?0+$/, '');
