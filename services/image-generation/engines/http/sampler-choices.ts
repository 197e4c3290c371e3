/** What an engine calls a sampler that callers name in one word or two. */
export interface SamplerChoice {
  readonly sampler: string;
  readonly scheduler?: string;
}

/** Most names that capabilities list. */
const MAX_CHOICES = 1_024;

/**
 * Samplers as callers name them: alone, and with each scheduler, as in "DPM++ 2M Karras". The default comes first.
 */
export function samplerChoices(
  samplers: readonly string[],
  schedulers: readonly string[],
  preferred: string | undefined,
): ReadonlyMap<string, SamplerChoice> {
  const choices = new Map<string, SamplerChoice>();
  const inOrder = [...samplers].toSorted((a, b) => Number(b === preferred) - Number(a === preferred));
  for (const sampler of inOrder) choices.set(sampler, { sampler });
  for (const sampler of inOrder) {
    for (const scheduler of schedulers) {
      if (choices.size < MAX_CHOICES) choices.set(`${sampler} ${scheduler}`, { sampler, scheduler });
    }
  }
  return choices;
}
