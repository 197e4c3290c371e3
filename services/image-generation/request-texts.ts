import { writtenFloat32 } from './float32.ts';
import type {
  GenerateImageRequest,
  LoraSettings,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { NotFoundError, unsupported } from './errors.ts';
import type { EngineCapabilities, LoraApplication } from './image-engine.ts';
import type { Faults } from './request-faults.ts';
import { checkNumber } from './request-numbers.ts';

/** Limits that hold for every engine. Sizes in UTF-8 bytes. */
export const REQUEST_LIMITS = {
  maxPromptBytes: 8 * 1024,
  maxLabels: 32,
  maxLabelNameBytes: 63,
  maxLabelValueBytes: 256,
} as const;

/** stable-diffusion.cpp reads generation parameters from this tag, wherever it stands in a prompt. */
const SD_CPP_TAG = /<\/?sd_cpp_extra_args/i;
/**
 * Opening of A1111's `<network:arguments>`, such as `<lora:name:1>`. Without its end too: what an adapter or an
 * engine puts behind the prompt may hold one.
 */
const NETWORK_TAG_OPENING = /<\w+:/;

/** The decoder turns broken UTF-8 into U+FFFD without an error. Line breaks and tabs are text. */
// oxlint-disable-next-line no-control-regex -- control characters are what it is about
const NOT_TEXT = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ufffd]/;

/** Path separators, traversal, and what could end or open a tag. */
// oxlint-disable-next-line no-control-regex -- control characters are what it is about
const BAD_LORA_NAME = /[/\\:<>,\u0000-\u001f\u007f\ufffd]|\.\./;

const byteLength = (text: string): number => Buffer.byteLength(text, 'utf8');

/** Checks prompt and negative prompt. */
export function checkText(wire: GenerateImageRequest, faults: Faults): void {
  if (wire.prompt.trim() === '') faults.add('prompt', 'PROMPT_REQUIRED', 'must not be empty');
  for (const [field, value] of [
    ['prompt', wire.prompt],
    ['negative_prompt', wire.negativePrompt],
  ] as const) {
    const bytes = byteLength(value);
    if (bytes > REQUEST_LIMITS.maxPromptBytes) {
      faults.add(
        field,
        'PROMPT_TOO_LONG',
        `must be at most ${REQUEST_LIMITS.maxPromptBytes} bytes, got ${bytes}`,
      );
    }
    if (NOT_TEXT.test(value)) {
      faults.add(field, 'PROMPT_NOT_TEXT', 'must be valid UTF-8 without control characters');
    }
    if (holdsControlTag(value)) {
      faults.add(field, 'PROMPT_CONTROL_TAG', 'must not hold engine control tags; use the loras field');
    }
  }
}

/** Whether some engine would take a part of the text as an order; structured LoRA settings are the only way in. */
const holdsControlTag = (text: string): boolean => SD_CPP_TAG.test(text) || NETWORK_TAG_OPENING.test(text);

/** Checks LoRA settings and fills in strengths. */
export function checkLoras(
  settings: readonly LoraSettings[],
  engine: EngineCapabilities,
  faults: Faults,
): LoraApplication[] {
  if (settings.length > 0 && engine.maxLoras === 0) {
    faults.precondition(unsupported('loras: this engine takes no LoRAs'));
    return [];
  }
  if (settings.length > engine.maxLoras) {
    faults.add('loras', 'TOO_MANY_LORAS', `at most ${engine.maxLoras} LoRAs, got ${settings.length}`);
    return [];
  }
  const seen = new Set<string>();
  return settings.map((lora, index) => {
    const field = `loras[${index}]`;
    checkLoraName(`${field}.name`, lora.name, seen, engine, faults);
    const strength = lora.strength ?? 1;
    const textEncoderStrength = lora.textEncoderStrength ?? strength;
    const limit = engine.maxLoraStrength;
    checkNumber(`${field}.strength`, lora.strength, -limit, limit, 'LORA_STRENGTH_OUT_OF_RANGE', faults);
    checkNumber(
      `${field}.text_encoder_strength`,
      lora.textEncoderStrength,
      -limit,
      limit,
      'LORA_STRENGTH_OUT_OF_RANGE',
      faults,
    );
    if (textEncoderStrength !== strength && !engine.supportsTextEncoderStrength) {
      faults.precondition(
        unsupported(`${field}.text_encoder_strength: this engine has one strength per LoRA`),
      );
    }
    return {
      name: lora.name,
      strength: writtenFloat32(strength),
      textEncoderStrength: writtenFloat32(textEncoderStrength),
    };
  });
}

function checkLoraName(
  field: string,
  name: string,
  seen: Set<string>,
  engine: EngineCapabilities,
  faults: Faults,
): void {
  if (name === '' || byteLength(name) > 256 || BAD_LORA_NAME.test(name)) {
    faults.add(field, 'LORA_NAME_INVALID', 'must be a name from GetCapabilities, never a path or a tag');
  } else if (seen.has(name)) {
    faults.add(field, 'LORA_DUPLICATE', 'must be unique');
  } else if (!engine.loras.some((known) => known.name === name)) {
    faults.notFound(new NotFoundError('lora', name));
  }
  seen.add(name);
}

/** Checks the labels' number, sizes and text. */
export function checkLabels(labels: Readonly<Record<string, string>>, faults: Faults): void {
  const entries = Object.entries(labels);
  const { maxLabels, maxLabelNameBytes, maxLabelValueBytes } = REQUEST_LIMITS;
  if (entries.length > maxLabels) {
    faults.add('labels', 'LABELS_INVALID', `at most ${maxLabels} labels, got ${entries.length}`);
    return;
  }
  const bad = entries.some(
    ([name, value]) =>
      name === '' ||
      byteLength(name) > maxLabelNameBytes ||
      byteLength(value) > maxLabelValueBytes ||
      NOT_TEXT.test(name) ||
      NOT_TEXT.test(value),
  );
  if (bad) {
    faults.add(
      'labels',
      'LABELS_INVALID',
      `names must have 1 to ${maxLabelNameBytes} bytes, values at most ${maxLabelValueBytes}, both valid text`,
    );
  }
}
