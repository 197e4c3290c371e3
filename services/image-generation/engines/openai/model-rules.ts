/** What OpenAI's own models want, by family; other models behind the same protocol are free. */
import type { Dialect } from './dialects.ts';

export interface ModelRules {
  readonly defaultWidth: number;
  readonly defaultHeight: number;
  readonly sizeFault?: (width: number, height: number) => string | undefined;
  /** Sent with every request to this model. */
  readonly fields: Readonly<Record<string, string>>;
  /** Sends unfinished pictures on the way. */
  readonly streams: boolean;
}

type Sizes = readonly [string, ...string[]];

const DALL_E_2_SIZES: Sizes = ['1024x1024', '512x512', '256x256'];
const DALL_E_3_SIZES: Sizes = ['1024x1024', '1792x1024', '1024x1792'];
const GPT_IMAGE_1_SIZES: Sizes = ['1024x1024', '1536x1024', '1024x1536'];

const oneOfSizes =
  (sizes: Sizes) =>
  (width: number, height: number): string | undefined =>
    sizes.includes(`${width}x${height}`) ? undefined : `makes ${sizes.join(', ')} only`;

/** gpt-image-2, beside what holds for the whole dialect. */
const GPT_IMAGE_2 = { minPixels: 655_360, maxRatio: 3 } as const;

function gptImage2Fault(width: number, height: number): string | undefined {
  const { minPixels, maxRatio } = GPT_IMAGE_2;
  const ratio = Math.max(width, height) / Math.min(width, height);
  if (width * height >= minPixels && ratio <= maxRatio) return undefined;
  return `makes pictures of at least ${minPixels} pixels, whose long side is at most ${maxRatio} short ones`;
}

/** The rules for a model's name. */
export function modelRules(model: string, dialect: Dialect): ModelRules {
  const { defaultSide, fields } = dialect;
  const free = { defaultWidth: defaultSide, defaultHeight: defaultSide, fields, streams: false };
  if (dialect.name !== 'openai') return free;
  const square = { ...free, defaultWidth: 1_024, defaultHeight: 1_024 };
  if (/^(gpt|chatgpt)-image/.test(model)) {
    // They always answer with base64 and refuse response_format.
    const sizeFault = /^(gpt-image-1|chatgpt-image)/.test(model)
      ? oneOfSizes(GPT_IMAGE_1_SIZES)
      : gptImage2Fault;
    return { ...square, sizeFault, fields: { output_format: 'png' }, streams: true };
  }
  const base64 = { response_format: 'b64_json' };
  if (model === 'dall-e-3') return { ...square, sizeFault: oneOfSizes(DALL_E_3_SIZES), fields: base64 };
  if (model === 'dall-e-2') return { ...square, sizeFault: oneOfSizes(DALL_E_2_SIZES), fields: base64 };
  return { ...free, fields: base64 };
}
