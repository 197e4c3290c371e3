/** Where `verify` gets image hashes from, one after the other: there may be millions. */
import { createInterface } from 'node:readline';
import { isImageHash } from '../../proto/archive-event.ts';
import type { ObjectReader } from '../s3/object-reader.ts';
import { UsageError } from './cli-io.ts';

/**
 * One hash per line; empty lines are passed over.
 * @throws {UsageError} at the first line that is something else.
 */
export async function* hashesOfLines(input: NodeJS.ReadableStream): AsyncGenerator<string> {
  let number = 0;
  for await (const line of createInterface({ input })) {
    number += 1;
    const text = line.trim();
    if (text === '') continue;
    if (!isImageHash(text)) {
      const message = `line ${number} of the input is not an image hash (64 lower-case hex digits)`;
      throw new UsageError(message);
    }
    yield text;
  }
}

/**
 * Every hash under `prefix` that has an image, a record or both, in order. Both lists are sorted by hash, so that they
 * are merged as they come, a page of each in memory.
 * @throws {TargetFault}
 */
export async function* hashesInBucket(
  reader: ObjectReader,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const images = hashesOfKeys(reader, `${prefix}output-`, '.jpg', signal);
  const records = hashesOfKeys(reader, `${prefix}input-`, '.json', signal);
  try {
    let [image, record] = await Promise.all([images.next(), records.next()]);
    while (!image.done || !record.done) {
      const next = smaller(image.value, record.value);
      yield next;
      if (image.value === next) image = await images.next();
      if (record.value === next) record = await records.next();
    }
  } finally {
    await Promise.all([images.return(undefined), records.return(undefined)]);
  }
}

async function* hashesOfKeys(
  reader: ObjectReader,
  start: string,
  end: string,
  signal: AbortSignal,
): AsyncGenerator<string, undefined> {
  for await (const { key } of reader.list({ prefix: start }, signal)) {
    const hash = key.slice(start.length, -end.length);
    // Whatever else is kept there is not ours to judge.
    if (key.endsWith(end) && isImageHash(hash)) yield hash;
  }
  return undefined;
}

function smaller(a: string | undefined, b: string | undefined): string {
  if (a === undefined || b === undefined) return a ?? b ?? '';
  return a < b ? a : b;
}
