import { MAX_IMAGE_BYTES, pairKeys } from '../../../proto/archive-event.ts';
import type { ObjectReader } from '../../s3/object-reader.ts';
import { parseJson } from '../input-record.ts';
import type { NewestImage } from './newest-images.ts';
import { thumbnail } from './thumbnail.ts';

/** One picture of the sheet. */
export interface SheetEntry {
  readonly imageHash: string;
  readonly archivedAt: Date;
  /** PNG; undefined when the image cannot be shown. */
  readonly picture: Buffer | undefined;
  /** Personal data. Undefined when the record cannot be read. */
  readonly prompt: string | undefined;
}

const MAX_RECORD_BYTES = 4 * 1024 * 1024;

/**
 * Reads one pair. What is damaged or gone leaves a gap in the sheet.
 * @throws {TargetFault}
 */
export async function readEntry(
  reader: ObjectReader,
  prefix: string,
  { imageHash, archivedAt, key }: NewestImage,
  signal: AbortSignal,
): Promise<SheetEntry> {
  const image = await readWhole(reader, key, MAX_IMAGE_BYTES, signal);
  const picture = image === undefined ? undefined : await thumbnail(image);
  const record = await readWhole(reader, pairKeys(prefix, imageHash).record, MAX_RECORD_BYTES, signal);
  return { imageHash, archivedAt, picture, prompt: record === undefined ? undefined : promptOf(record) };
}

/** Undefined when the object is not there, not readable, or larger. */
async function readWhole(
  reader: ObjectReader,
  key: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const found = await reader.get(key, {}, signal);
  if (found.state !== 'present') return undefined;
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of found.body) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function promptOf(record: Uint8Array): string | undefined {
  const document = parseJson(record)?.json as { parameters?: { prompt?: unknown } } | null | undefined;
  const prompt = document?.parameters?.prompt;
  return typeof prompt === 'string' ? prompt : undefined;
}
