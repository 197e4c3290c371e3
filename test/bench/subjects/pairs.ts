/** Pairs without meaning, the same for the archiver and for its peer. */
import { createHash, randomUUID } from 'node:crypto';
import { type CheckedArchiveEvent, chunkCount, CHUNK_BYTES } from '../../../proto/archive-event.ts';
import { fixedBytes } from './fixed-image.ts';

export interface Pair {
  readonly image: Buffer;
  readonly record: Buffer;
  readonly imageHash: string;
}

/** As long as a usual record. */
const RECORD_BYTES = 1_200;

/** `count` pairs whose images differ in their first bytes; `salt` tells rounds apart. */
export function makePairs(count: number, imageBytes: number, salt: string): Pair[] {
  const block = fixedBytes(imageBytes);
  return Array.from({ length: count }, (_, index) => {
    const image = Buffer.from(block);
    image.write(`${salt} ${index} `, 0);
    const imageHash = createHash('sha256').update(image).digest('hex');
    const record = Buffer.from(JSON.stringify({ hash: imageHash, filler: 'x'.repeat(RECORD_BYTES) }));
    return { image, record, imageHash };
  });
}

/** A new hand-off of the pair, inline or to be sent in chunks. */
export function eventOf({ image, record, imageHash }: Pair, isChunked = false): CheckedArchiveEvent {
  const chunks = {
    kind: 'chunked',
    chunkCount: chunkCount(image.length),
    chunkBytes: CHUNK_BYTES,
  } as const;
  return {
    handoffId: randomUUID(),
    imageHash,
    imageSizeBytes: image.length,
    imageMediaType: 'image/jpeg',
    requestId: randomUUID(),
    createTime: new Date(),
    inputRecord: record,
    image: isChunked ? chunks : { kind: 'inline', bytes: image },
  };
}
