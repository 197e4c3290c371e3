/** The flags that describe an image, and the request they make. */
import { extname } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  ImageEncoding,
  type LoraSettings,
  ResponseFormat,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import type { ImageRequestFields } from './image-generation-client.ts';

const ENCODINGS = {
  jpeg: ImageEncoding.IMAGE_ENCODING_JPEG,
  png: ImageEncoding.IMAGE_ENCODING_PNG,
  webp: ImageEncoding.IMAGE_ENCODING_WEBP,
} as const;
export type ImageFormat = keyof typeof ENCODINGS;

const RESPONSE_FORMATS = {
  binary: ResponseFormat.RESPONSE_FORMAT_BINARY,
  json: ResponseFormat.RESPONSE_FORMAT_JSON,
  s3: ResponseFormat.RESPONSE_FORMAT_S3,
} as const;
export type ResponseFormatName = keyof typeof RESPONSE_FORMATS;

const FORMAT_OF_EXTENSION: Readonly<Record<string, ImageFormat>> = {
  '.jpg': 'jpeg',
  '.jpeg': 'jpeg',
  '.png': 'png',
  '.webp': 'webp',
};

/** What commander reads with {@link addRequestFlags}. */
export interface RequestFlags {
  readonly negativePrompt?: string;
  readonly model?: string;
  readonly width?: number;
  readonly height?: number;
  readonly seed?: number;
  readonly steps?: number;
  readonly guidanceScale?: number;
  readonly sampler?: string;
  readonly lora: readonly LoraSettings[];
  readonly format?: ImageFormat;
  readonly responseFormat: ResponseFormatName;
  readonly quality?: number;
  readonly label: Readonly<Record<string, string>>;
  readonly requestId?: string;
}

/** Adds the flags; what is left out is left to the server. */
export function addRequestFlags(command: Command): Command {
  return command
    .option('--width <pixels>', 'width, together with --height', readCount)
    .option('--height <pixels>', 'height, together with --width', readCount)
    .option('--seed <number>', 'the same seed and settings make the same image', readCount)
    .option('--steps <number>', 'sampling steps', readCount)
    .option('--lora <name:strength>', 'LoRA adapter, strength 1 if left out (repeatable)', addLora, [])
    .option('--negative-prompt <text>', 'what to avoid')
    .option('--model <name>', "model, if not the engine's default")
    .option('--guidance-scale <number>', 'how closely to follow the prompt', readNumber)
    .option('--sampler <name>', "sampler, if not the model's default")
    .addOption(
      new Option(
        '--format <format>',
        'file format of the image, if the extension of --output does not tell',
      ).choices(Object.keys(ENCODINGS)),
    )
    .addOption(
      new Option(
        '--response-format <format>',
        'binary: the image; json: one JSON document with image and parameters; s3: a link to the archived image',
      )
        .choices(Object.keys(RESPONSE_FORMATS))
        .default('binary'),
    )
    .option('--quality <1-100>', 'quality, for jpeg and webp', readCount)
    .option('--label <name=value>', 'label kept in the archive record (repeatable)', addLabel, {})
    .option('--request-id <uuid>', "name of the call in logs and in the archive, if not the server's choice");
}

/** The request for `prompt`; `output` is the file it is meant for, whose extension chooses the format. */
export function requestFromFlags(
  prompt: string,
  flags: RequestFlags,
  output: string | undefined,
): ImageRequestFields {
  return {
    prompt,
    requestId: flags.requestId ?? '',
    negativePrompt: flags.negativePrompt ?? '',
    model: flags.model ?? '',
    sampler: flags.sampler ?? '',
    width: flags.width,
    height: flags.height,
    seed: flags.seed,
    steps: flags.steps,
    guidanceScale: flags.guidanceScale,
    imageQuality: flags.quality,
    loras: [...flags.lora],
    labels: { ...flags.label },
    responseFormat: RESPONSE_FORMATS[flags.responseFormat],
    imageEncoding: ENCODINGS[flags.format ?? formatOfFile(output, flags.responseFormat)],
  };
}

/** @throws {InvalidArgumentError} for an extension that is no image format. */
function formatOfFile(output: string | undefined, responseFormat: ResponseFormatName): ImageFormat {
  // The file is the document, whatever the image in it is.
  if (responseFormat === 'json') return 'jpeg';
  const extension = extname(output ?? '').toLowerCase();
  const format = FORMAT_OF_EXTENSION[extension];
  if (format !== undefined) return format;
  if (extension === '') return 'jpeg';
  throw new InvalidArgumentError(
    `"${extension}" is no format of images; use ${Object.keys(FORMAT_OF_EXTENSION).join(', ')}, or --format`,
  );
}

/** Whole number that fits the request's uint32; its range is the server's to judge. */
export function readCount(text: string): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (value <= 0xffff_ffff) return value;
  throw new InvalidArgumentError('not a whole number from 0 to 4294967295');
}

function readNumber(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw new InvalidArgumentError('not a number');
}

/** The last colon parts name and strength. */
function addLora(text: string, before: readonly LoraSettings[]): LoraSettings[] {
  const colon = text.lastIndexOf(':');
  const name = colon === -1 ? text : text.slice(0, colon);
  if (name === '') throw new InvalidArgumentError('expected name or name:strength');
  return [...before, colon === -1 ? { name } : { name, strength: readNumber(text.slice(colon + 1)) }];
}

function addLabel(text: string, before: Readonly<Record<string, string>>): Record<string, string> {
  const equals = text.indexOf('=');
  if (equals < 1) throw new InvalidArgumentError('expected name=value');
  return { ...before, [text.slice(0, equals)]: text.slice(equals + 1) };
}
