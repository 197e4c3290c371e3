/**
 * The hand-written half of the archive contract: names, limits, encoding with checks. Pure; both sides use it.
 * The streams, the KV bucket and the consumer themselves are data in deploy/nats/.
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { ArchiveEvent } from './gen/sekai/archive/v1/archive_event.ts';

export {
  ArchivedPair,
  ArchiveEvent,
  DownloadLinkRequest,
  DownloadLinkResponse,
} from './gen/sekai/archive/v1/archive_event.ts';

export const SCHEMA_VERSION = 1;

export const STREAM_EVENTS = 'SEKAI_ARCHIVE';
export const STREAM_BLOBS = 'SEKAI_ARCHIVE_BLOBS';
export const STREAM_DEAD = 'SEKAI_ARCHIVE_DEAD';
export const KV_ARCHIVED = 'sekai-archived';
export const CONSUMER_ARCHIVER = 'archiver';
/** Subject of NATS requests for download links: a DownloadLinkRequest, answered by one archiver of the queue group. */
export const LINK_SUBJECT = 'sekai.archive.link';
export const LINK_QUEUE_GROUP = 'archiver';

/** Largest encoded event that carries its image inline, bytes: half of nats-server's default `max_payload`. */
export const INLINE_EVENT_MAX_BYTES = 512 * 1024;
/**
 * Chunk size, bytes. 256 KiB with one chunk in flight kept the publisher's event loop under 6 ms
 * at 338 MB/s; larger or more chunks in flight were slower or blocked it longer (measured, 10 MB images).
 */
export const CHUNK_BYTES = 256 * 1024;
/** Smallest `max_payload` a nats-server may have, bytes: an inline event and its headers must fit. */
export const MIN_MAX_PAYLOAD_BYTES = INLINE_EVENT_MAX_BYTES + 16 * 1024;
/** Largest image an event may announce, bytes. Bounds what an archiver ever allocates for one pair. */
export const MAX_IMAGE_BYTES = 64 * 1024 * 1024;
/** Most chunks an event may announce: those of the largest image at a sixteenth of our chunk size. */
export const MAX_CHUNK_COUNT = 4096;

const IMAGE_HASH = /^[0-9a-f]{64}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export const isImageHash = (text: string): boolean => IMAGE_HASH.test(text);
/** Canonical lower-case UUID, the form ComfyUI demands of a prompt id as well. */
export const isCanonicalUuid = (text: string): boolean => UUID.test(text);

/** Stream behind the KV bucket, and the subject under which it keeps the entry of a hash. */
export const STREAM_ARCHIVED = `KV_${KV_ARCHIVED}`;
export const archivedSubject = (imageHash: string): string => `$KV.${KV_ARCHIVED}.${imageHash}`;
export const eventSubject = (imageHash: string): string => `sekai.archive.event.${imageHash}`;
export const blobSubject = (imageHash: string, handoffId: string, index: number): string =>
  `sekai.archive.blob.${imageHash}.${handoffId}.${index}`;
/** Filter over all chunks of one hand-off. */
export const handoffBlobsFilter = (imageHash: string, handoffId: string): string =>
  `sekai.archive.blob.${imageHash}.${handoffId}.>`;
/** Filter over all chunks of an image, whoever published them. */
export const imageBlobsFilter = (imageHash: string): string => `sekai.archive.blob.${imageHash}.>`;
export const deadEventSubject = (imageHash: string, handoffId: string): string =>
  `sekai.archive.dead.event.${imageHash}.${handoffId}`;
export const deadBlobSubject = (imageHash: string, handoffId: string, index: number): string =>
  `sekai.archive.dead.blob.${imageHash}.${handoffId}.${index}`;
/** Header of a dead letter: the stable reason of {@link EventFaultReason}. */
export const HEADER_DEAD_REASON = 'Sekai-Dead-Reason';
/** Header of a dead letter: text for a person. */
export const HEADER_DEAD_DETAIL = 'Sekai-Dead-Detail';

/** Keys of a pair under `prefix`, which is empty or ends in "/". */
export function pairKeys(prefix: string, imageHash: string): { image: string; record: string } {
  return { image: `${prefix}output-${imageHash}.jpg`, record: `${prefix}input-${imageHash}.json` };
}

/** Number of chunks of an image of `sizeBytes` bytes. */
export const chunkCount = (sizeBytes: number, chunkBytes = CHUNK_BYTES): number =>
  Math.ceil(sizeBytes / chunkBytes);

/** More than any record takes, bytes: two prompts of 8 KiB, labels of 10 KB and LoRAs, escaped. */
const AMPLE_RECORD_BYTES = 128 * 1024;

/**
 * Whether any hand-off of an image of `sizeBytes` bytes may have sent it in chunks: the record, which differs from
 * hand-off to hand-off, counts towards {@link INLINE_EVENT_MAX_BYTES}.
 */
export const mayBeChunked = (sizeBytes: number): boolean =>
  sizeBytes + AMPLE_RECORD_BYTES > INLINE_EVENT_MAX_BYTES;

/** A stable word for why an event can never succeed as it is. */
export type EventFaultReason =
  | 'UNDECODABLE'
  | 'INVALID_FIELD'
  | 'SIZE_MISMATCH'
  | 'HASH_MISMATCH'
  | 'CHUNKS_MISSING'
  | 'OBJECT_SIZE_REFUSED';

/** The event can never succeed as it is: a dead letter. */
export class EventFault extends Error {
  override readonly name = 'EventFault';
  readonly reason: EventFaultReason;

  constructor(reason: EventFaultReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** The event speaks a newer version of the contract: a newer archiver will understand it. */
export class NewerSchemaError extends Error {
  override readonly name = 'NewerSchemaError';
  readonly schemaVersion: number;

  constructor(schemaVersion: number) {
    super(`archive event has schema version ${schemaVersion}, this archiver knows up to ${SCHEMA_VERSION}`);
    this.schemaVersion = schemaVersion;
  }
}

/** An archive event whose fields have been checked. */
export interface CheckedArchiveEvent {
  readonly handoffId: string;
  readonly imageHash: string;
  readonly imageSizeBytes: number;
  readonly imageMediaType: string;
  readonly requestId: string;
  readonly createTime: Date;
  readonly inputRecord: Uint8Array;
  readonly image: InlineImage | ChunkedImage;
}

export interface InlineImage {
  readonly kind: 'inline';
  readonly bytes: Uint8Array;
}

export interface ChunkedImage {
  readonly kind: 'chunked';
  readonly chunkCount: number;
  readonly chunkBytes: number;
}

/** Field of `inline_image`, the last one that an event with an image inline has. */
const INLINE_IMAGE_FIELD = 9;

/**
 * Encodes an event; the result is the message's payload. An inline image is appended by hand: the generated encoder
 * copies it three times.
 */
export function encodeArchiveEvent(event: CheckedArchiveEvent): Uint8Array {
  const { image } = event;
  const fields = ArchiveEvent.encode({
    schemaVersion: SCHEMA_VERSION,
    handoffId: event.handoffId,
    imageHash: event.imageHash,
    imageSizeBytes: BigInt(event.imageSizeBytes),
    imageMediaType: event.imageMediaType,
    requestId: event.requestId,
    createTime: event.createTime,
    inputRecord: event.inputRecord,
    image:
      image.kind === 'inline'
        ? undefined
        : { $case: 'chunks', value: { chunkCount: image.chunkCount, chunkSizeBytes: image.chunkBytes } },
  }).finish();
  if (image.kind === 'chunked') return fields;
  const head = new BinaryWriter()
    .tag(INLINE_IMAGE_FIELD, WireType.LengthDelimited)
    .uint32(image.bytes.length);
  return Buffer.concat([fields, head.finish(), image.bytes]);
}

/**
 * Decodes and checks a message's payload. Does not hash the image: see the archiver.
 * @throws {EventFault} UNDECODABLE, INVALID_FIELD or SIZE_MISMATCH.
 * @throws {NewerSchemaError} for a version this code does not know yet.
 */
export function decodeArchiveEvent(payload: Uint8Array): CheckedArchiveEvent {
  const event = decode(payload);
  if (event.schemaVersion > SCHEMA_VERSION) throw new NewerSchemaError(event.schemaVersion);
  const size = Number(event.imageSizeBytes);
  require(event.schemaVersion >= Math.max(1, SCHEMA_VERSION - 1), 'schema_version');
  require(isCanonicalUuid(event.handoffId), 'handoff_id');
  require(isImageHash(event.imageHash), 'image_hash');
  require(isCanonicalUuid(event.requestId), 'request_id');
  require(event.imageMediaType === 'image/jpeg', 'image_media_type');
  require(size > 0 && size <= MAX_IMAGE_BYTES, 'image_size_bytes');
  require(event.inputRecord.length > 0, 'input_record');
  require(event.createTime !== undefined, 'create_time');
  return {
    handoffId: event.handoffId,
    imageHash: event.imageHash,
    imageSizeBytes: size,
    imageMediaType: event.imageMediaType,
    requestId: event.requestId,
    createTime: event.createTime ?? new Date(0),
    inputRecord: event.inputRecord,
    image: checkImage(event.image, size),
  };
}

function decode(payload: Uint8Array): ArchiveEvent {
  try {
    return ArchiveEvent.decode(payload);
  } catch (cause) {
    throw new EventFault('UNDECODABLE', 'payload is not an archive event', { cause });
  }
}

function checkImage(image: ArchiveEvent['image'], sizeBytes: number): InlineImage | ChunkedImage {
  if (image?.$case === 'inlineImage') {
    if (image.value.length !== sizeBytes) {
      throw new EventFault(
        'SIZE_MISMATCH',
        `inline image has ${image.value.length} bytes, announced were ${sizeBytes}`,
      );
    }
    return { kind: 'inline', bytes: image.value };
  }
  require(image?.$case === 'chunks', 'image');
  const { chunkCount: count, chunkSizeBytes } = image.value;
  require(chunkSizeBytes > 0 && chunkSizeBytes <= 1024 * 1024, 'chunks.chunk_size_bytes');
  require(count <= MAX_CHUNK_COUNT && count === chunkCount(sizeBytes, chunkSizeBytes), 'chunks.chunk_count');
  return { kind: 'chunked', chunkCount: count, chunkBytes: chunkSizeBytes };
}

function require(condition: boolean, field: string): asserts condition {
  if (!condition) throw new EventFault('INVALID_FIELD', `${field} is not valid`);
}
