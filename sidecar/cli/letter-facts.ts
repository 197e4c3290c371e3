/** What may be shown of a dead letter: everything but what the person wrote who asked for the image. */
import { ArchiveEvent } from '../../proto/archive-event.ts';
import { promptFacts } from '../../services/runtime/logger.ts';
import type { KeptLetter } from '../operator-queue.ts';
import { parseJson } from './input-record.ts';
import { printable } from './printable.ts';

export type Facts = { readonly [name: string]: string | number | boolean | null | Facts };

/** Where it is and why, for lists. */
export function letterFacts(letter: KeptLetter, nowMs: number): Facts {
  return {
    id: letter.handoffId,
    image_hash: letter.imageHash,
    reason: letter.reason,
    detail: letter.detail,
    buried_at: letter.buriedAt.toISOString(),
    age_seconds: Math.max(0, Math.round((nowMs - letter.buriedAt.getTime()) / 1000)),
    payload_bytes: letter.payload.length,
    chunks_kept: letter.chunkIndexes.length,
  };
}

/** What its payload says, as far as it can be read. */
export function eventFacts({ payload }: KeptLetter): Facts {
  const event = decodeLoosely(payload);
  if (event === undefined) return { decodable: false };
  const { image } = event;
  return {
    decodable: true,
    schema_version: event.schemaVersion,
    handoff_id: event.handoffId,
    image_hash: event.imageHash,
    image_size_bytes: Number(event.imageSizeBytes),
    image_media_type: event.imageMediaType,
    request_id: event.requestId,
    create_time: isoTime(event.createTime),
    image:
      image === undefined
        ? 'none'
        : image.$case === 'inlineImage'
          ? `inline, ${image.value.length} bytes`
          : `${image.value.chunkCount} chunks of ${image.value.chunkSizeBytes} bytes`,
    record: recordFacts(event.inputRecord),
  };
}

/** The input record's bytes; undefined when the payload cannot be read. */
export const recordOf = ({ payload }: KeptLetter): Uint8Array | undefined =>
  decodeLoosely(payload)?.inputRecord;

function decodeLoosely(payload: Uint8Array): ArchiveEvent | undefined {
  try {
    return ArchiveEvent.decode(payload);
  } catch {
    return undefined;
  }
}

const isoTime = (time: Date | undefined): string | null =>
  time === undefined || Number.isNaN(time.getTime()) ? null : time.toISOString();

/** Fields that hold nothing of a person's; texts only of the expected form. */
const RECORD_FIELDS = [
  'schema_version',
  'request_id',
  'generated_at',
  'engine.name',
  'engine.model',
  'parameters.width',
  'parameters.height',
  'parameters.seed',
  'parameters.steps',
  'image.hash',
  'image.size_bytes',
];

function recordFacts(bytes: Uint8Array): Facts {
  const parsed = parseJson(bytes);
  if (parsed === undefined) return { bytes: bytes.length, json: false };
  const at = (path: string): unknown => path.split('.').reduce(member, parsed.json);
  const fields = RECORD_FIELDS.flatMap((path): [string, string | number][] => {
    const value = at(path);
    if (typeof value === 'number') return [[path, value]];
    return typeof value === 'string' && /^[\w.:+-]{1,100}$/.test(value) ? [[path, value]] : [];
  });
  const prompt = at('parameters.prompt');
  const { promptBytes, promptHash } = promptFacts(typeof prompt === 'string' ? prompt : '');
  return {
    bytes: bytes.length,
    json: true,
    ...Object.fromEntries(fields),
    prompt: typeof prompt === 'string' ? `${promptBytes} bytes, SHA-256 ${promptHash}…` : 'none',
  };
}

const member = (parent: unknown, name: string): unknown =>
  typeof parent === 'object' && parent !== null && Object.hasOwn(parent, name)
    ? (parent as Record<string, unknown>)[name]
    : undefined;

/** One line per fact, nested ones indented. */
export function formatFacts(facts: Facts, indent = ''): string {
  return Object.entries(facts)
    .map(([name, value]) =>
      typeof value === 'object' && value !== null
        ? `${indent}${name}\n${formatFacts(value, `${indent}  `)}`
        : `${indent}${name.padEnd(Math.max(0, 22 - indent.length))} ${printable(String(value ?? '-'), 1_000)}\n`,
    )
    .join('');
}
