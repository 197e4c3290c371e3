import { type ArchivedPair, type CheckedArchiveEvent, EventFault, pairKeys } from '../proto/archive-event.ts';
import type { ArchiveIndex } from './archive-index.ts';
import type { ByteBudget } from '../services/runtime/byte-budget.ts';
import { sha256 } from '../services/runtime/sha256.ts';
import type { UploadSlots } from './upload-slots.ts';
import { NO_SPAN, type Span, traced } from '../services/runtime/tracing/tracing.ts';
import type { ImageChunks } from './image-chunks.ts';
import type { ObjectStore, StoredObject } from './object-store.ts';

export interface ArchivePairParts {
  readonly objectStore: ObjectStore;
  readonly chunks: ImageChunks;
  readonly index: ArchiveIndex;
  /** Bounds how many pairs are uploaded at the same time. */
  readonly slots: UploadSlots;
  /** Bounds the bytes of pairs in hand. */
  readonly budget: ByteBudget;
  readonly target: ArchiveTarget;
  /** Whether to ask the bucket for a pair that the index does not know. */
  readonly headBeforeUpload: boolean;
}

/** Where pairs are stored. */
export interface ArchiveTarget {
  readonly bucket: string;
  /** Empty, or ends in "/". */
  readonly prefix: string;
}

/** Hears what happens to the two objects of a pair. */
export interface UploadObserver {
  /** It is this pair's turn to be uploaded. What this throws ends the work, of which nothing is done yet. */
  admitted(): void;
  storing(key: string): void;
  stored(key: string, bytes: number, elapsedMs: number): void;
  /** The bucket would not say whether `key` exists. */
  existenceUnknown(key: string): void;
}

/**
 * Archives one pair: on return both objects are in the bucket and the index says so. Safe to repeat.
 * Resolves with what had to be done.
 * @throws {EventFault} the event can never succeed.
 * @throws {TargetFault} the bucket or the way to it is at fault.
 * @throws any other error: the queue's side is at fault; trying again is right.
 */
export type ArchivePair = (
  event: CheckedArchiveEvent,
  observer: UploadObserver,
  signal: AbortSignal,
  /** Of the whole work; default: none. */
  span?: Span,
) => Promise<'uploaded' | 'duplicate'>;

export function createArchivePair(parts: ArchivePairParts): ArchivePair {
  return async (event, observer, signal, span = NO_SPAN) => {
    if (await isIndexed(parts, event)) return 'duplicate';
    if (parts.headBeforeUpload && (await isInBucket(parts, event, observer, signal, span)))
      return 'duplicate';
    const leave = await parts.slots.enter(signal);
    try {
      observer.admitted();
      return await fetchAndUpload(parts, event, observer, signal, span);
    } finally {
      leave();
    }
  };
}

async function fetchAndUpload(
  parts: ArchivePairParts,
  event: CheckedArchiveEvent,
  observer: UploadObserver,
  signal: AbortSignal,
  span: Span,
): Promise<'uploaded' | 'duplicate'> {
  const lease = await parts.budget.acquire(event.imageSizeBytes + event.inputRecord.length, signal);
  try {
    const image = await traced(span, 'fetch image', fetchFacts(event), () =>
      fetchImage(parts, event, signal),
    );
    // Another archiver may have had the event before us, and purged the chunks once the pair was stored.
    if (image === undefined) return await explainMissingChunks(parts, event, observer, signal, span);
    await uploadPair(parts, event, image, observer, signal, span);
    return 'uploaded';
  } finally {
    lease.release();
  }
}

const isIndexed = async (parts: ArchivePairParts, event: CheckedArchiveEvent): Promise<boolean> =>
  (await parts.index.get(event.imageHash)) !== undefined;

/** Asks for the record, which is uploaded last: where it is, the image is. Indexes a pair it finds. */
async function isInBucket(
  { objectStore, index, target }: ArchivePairParts,
  event: CheckedArchiveEvent,
  observer: UploadObserver,
  signal: AbortSignal,
  span: Span,
): Promise<boolean> {
  const { record } = pairKeys(target.prefix, event.imageHash);
  const existence = await traced(span, 'head', { kind: 'client' }, (own) =>
    objectStore.exists(record, signal, own),
  );
  if (existence === 'unknown') observer.existenceUnknown(record);
  if (existence !== 'present') return false;
  await index.putIfAbsent(event.imageHash, archivedPair(target, event.imageHash, ''));
  return true;
}

const fetchFacts = ({ image, imageSizeBytes }: CheckedArchiveEvent) => ({
  attributes: { 'sekai.chunked': image.kind === 'chunked', 'sekai.image.bytes': imageSizeBytes },
});

/** The image's bytes, or undefined when chunks are missing. Bytes of the wrong size or hash are the event's fault. */
async function fetchImage(
  { chunks }: ArchivePairParts,
  event: CheckedArchiveEvent,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const { image, imageHash, imageSizeBytes } = event;
  const bytes = image.kind === 'inline' ? image.bytes : await joinChunks(chunks, event, image, signal);
  if (bytes === undefined) return undefined;
  if (bytes.length !== imageSizeBytes) throw sizeMismatch('image', bytes.length, imageSizeBytes);
  const actual = Buffer.from(await sha256(bytes)).toString('hex');
  if (actual === imageHash) return bytes;
  throw new EventFault('HASH_MISMATCH', `image has SHA-256 ${actual}, announced was ${imageHash}`);
}

async function joinChunks(
  chunks: ImageChunks,
  { imageHash, handoffId, imageSizeBytes }: CheckedArchiveEvent,
  { chunkCount, chunkBytes }: { readonly chunkCount: number; readonly chunkBytes: number },
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const image = Buffer.allocUnsafeSlow(imageSizeBytes);
  for (let index = 0; index < chunkCount; index += 1) {
    signal.throwIfAborted();
    const chunk = await chunks.get({ imageHash, handoffId, index }, signal);
    if (chunk === undefined) return undefined;
    const offset = index * chunkBytes;
    const expectedBytes = Math.min(chunkBytes, imageSizeBytes - offset);
    if (chunk.length !== expectedBytes) throw sizeMismatch(`chunk ${index}`, chunk.length, expectedBytes);
    image.set(chunk, offset);
  }
  return image;
}

const sizeMismatch = (what: string, actual: number, announced: number): EventFault =>
  new EventFault('SIZE_MISMATCH', `${what} has ${actual} bytes, announced were ${announced}`);

async function explainMissingChunks(
  parts: ArchivePairParts,
  event: CheckedArchiveEvent,
  observer: UploadObserver,
  signal: AbortSignal,
  span: Span,
): Promise<'duplicate'> {
  if (await isIndexed(parts, event)) return 'duplicate';
  if (await isInBucket(parts, event, observer, signal, span)) return 'duplicate';
  throw new EventFault('CHUNKS_MISSING', 'chunks of the image are gone and the pair is not in the bucket');
}

async function uploadPair(
  { objectStore, index, target }: ArchivePairParts,
  { imageHash, imageMediaType, inputRecord, requestId }: CheckedArchiveEvent,
  image: Uint8Array,
  observer: UploadObserver,
  signal: AbortSignal,
  span: Span,
): Promise<void> {
  const keys = pairKeys(target.prefix, imageHash);
  const metadata = { 'request-id': requestId };
  const store = async (what: string, object: StoredObject): Promise<void> => {
    const start = performance.now();
    observer.storing(object.key);
    await traced(span, what, { kind: 'client' }, (own) => objectStore.put(object, signal, own));
    observer.stored(object.key, object.body.length, Math.round(performance.now() - start));
  };
  const imageSha256 = Buffer.from(imageHash, 'hex');
  const recordSha256 = await sha256(inputRecord);
  // In this order: a record in the bucket proves that its image is there.
  await store('upload image', {
    key: keys.image,
    body: image,
    contentType: imageMediaType,
    sha256: imageSha256,
    metadata,
  });
  await store('upload record', {
    key: keys.record,
    body: inputRecord,
    contentType: 'application/json',
    sha256: recordSha256,
    metadata,
  });
  await index.putIfAbsent(imageHash, archivedPair(target, imageHash, requestId));
}

function archivedPair(target: ArchiveTarget, imageHash: string, requestId: string): ArchivedPair {
  const { image, record } = pairKeys(target.prefix, imageHash);
  return { bucket: target.bucket, key: image, recordKey: record, archiveTime: new Date(), requestId };
}
