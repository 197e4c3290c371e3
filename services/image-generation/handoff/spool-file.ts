/**
 * One hand-off as one file:
 *
 *     "SKH1" | u32 big-endian length of the event | the event without its image | the image
 *
 * The event may be followed by one more field of its message, which belongs to the file alone: the trace in which the
 * image was made. Decoders of the event skip it, so files are good for versions of us that do not know it.
 *
 * A file is written under a temporary name and renamed: under its final name it is always whole, also after a
 * SIGKILL. A power failure may leave damaged files behind: size and hash are checked when a file is read.
 */
import { open, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { sha256 } from '../../runtime/sha256.ts';
import type { TraceCarrier } from '../../runtime/tracing/tracing.ts';
import {
  CHUNK_BYTES,
  type CheckedArchiveEvent,
  chunkCount,
  decodeArchiveEvent,
  encodeArchiveEvent,
} from '../../../proto/archive-event.ts';

const MAGIC = Buffer.from('SKH1');
const HEADER_BYTES = 8;
/** Of the event's message, far beyond what the contract will ever use. */
const TRACE_FIELD = 18_999;
/** Of a trace as it is kept. `tracestate` may be 512 characters (W3C); a longer one is left out. */
const TRACE_MAX_BYTES = 700;

/** A hand-off in memory: the event's fields and the image. */
export interface SpooledHandOff {
  readonly handoffId: string;
  readonly imageHash: string;
  readonly requestId: string;
  readonly createTime: Date;
  readonly record: Uint8Array;
  readonly image: Uint8Array;
  /** Empty outside of any trace. */
  readonly trace: TraceCarrier;
}

/** Folder of finished files; inside the spool directory. */
export const QUEUE_FOLDER = 'queue';
/** Folder of files being written. */
export const TEMPORARY_FOLDER = 'tmp';
/** Folder of files that cannot be read; kept for a person to look at. */
export const DAMAGED_FOLDER = 'damaged';

/** The spool file holds something else than a whole hand-off. */
export class DamagedSpoolFileError extends Error {
  override readonly name = 'DamagedSpoolFileError';
}

/** Name that sorts by age: creation time in ms, padded, then the hand-off's id. */
export function spoolFileName({
  createTime,
  handoffId,
}: Pick<SpooledHandOff, 'createTime' | 'handoffId'>): string {
  return `${String(createTime.getTime()).padStart(15, '0')}-${handoffId}.handoff`;
}

/** When the hand-off in a file of this name was made, milliseconds since the epoch. */
export const spoolFileTimeMs = (name: string): number => Number.parseInt(name, 10);

/** Size of the file that {@link writeSpoolFile} will write at most, bytes. */
export function spoolFileBytes({ record, image }: Pick<SpooledHandOff, 'record' | 'image'>): number {
  return record.length + image.length + 512 + TRACE_MAX_BYTES;
}

/** Writes the hand-off; on return the file stands under its final name. Returns the bytes written. */
export async function writeSpoolFile(directory: string, handOff: SpooledHandOff): Promise<number> {
  const name = spoolFileName(handOff);
  const event = Buffer.concat([encodeArchiveEvent(asEvent(handOff)), encodeTrace(handOff.trace)]);
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32BE(event.length, MAGIC.length);
  const size = HEADER_BYTES + event.length + handOff.image.length;
  const temporary = join(directory, TEMPORARY_FOLDER, name);
  try {
    await writeWhole(temporary, [header, event, handOff.image], size);
    await rename(temporary, join(directory, QUEUE_FOLDER, name));
    return size;
  } catch (error) {
    await unlink(temporary).catch(() => {}); // The disk is at fault; the sweep at start takes what stays.
    throw error;
  }
}

async function writeWhole(path: string, parts: readonly Uint8Array[], size: number): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  const { bytesWritten } = await file.writev(parts);
  if (bytesWritten !== size) throw new Error(`wrote ${bytesWritten} of ${size} bytes: the disk is full`);
}

/**
 * Reads a file back.
 * @throws {DamagedSpoolFileError} when it is not a whole hand-off, or its image does not have its hash.
 */
export async function readSpoolFile(directory: string, name: string): Promise<SpooledHandOff> {
  const bytes = await readFile(join(directory, QUEUE_FOLDER, name)).catch((cause: NodeJS.ErrnoException) => {
    // Nobody but the drainer removes files: somebody has tidied up, and trying again will not bring it back.
    if (cause.code === 'ENOENT') throw new DamagedSpoolFileError(`${name} is gone`, { cause });
    throw cause;
  });
  try {
    if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw new DamagedSpoolFileError('not a spool file');
    const imageStart = HEADER_BYTES + bytes.readUInt32BE(MAGIC.length);
    const encoded = bytes.subarray(HEADER_BYTES, imageStart);
    const event = decodeArchiveEvent(encoded);
    const image = bytes.subarray(imageStart);
    if (image.length !== event.imageSizeBytes) {
      throw new DamagedSpoolFileError(`image has ${image.length} bytes instead of ${event.imageSizeBytes}`);
    }
    const hash = (await sha256(image)).toString('hex');
    if (hash !== event.imageHash) throw new DamagedSpoolFileError(`its image has hash ${hash}`);
    const { handoffId, imageHash, requestId, createTime, inputRecord } = event;
    const trace = decodeTrace(encoded);
    return { handoffId, imageHash, requestId, createTime, record: inputRecord, image, trace };
  } catch (cause) {
    if (cause instanceof DamagedSpoolFileError) throw cause;
    throw new DamagedSpoolFileError(`${name} does not hold a hand-off`, { cause });
  }
}

function encodeTrace({ traceparent, tracestate }: TraceCarrier): Uint8Array {
  if (traceparent === undefined) return new Uint8Array();
  const whole = [traceparent, ...(tracestate === undefined ? [] : [tracestate])].join('\n');
  const text = Buffer.byteLength(whole) <= TRACE_MAX_BYTES - 10 ? whole : traceparent;
  return new BinaryWriter().tag(TRACE_FIELD, WireType.LengthDelimited).string(text).finish();
}

/** From the bytes of an event that has been decoded already. */
function decodeTrace(event: Uint8Array): TraceCarrier {
  const reader = new BinaryReader(event);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field !== TRACE_FIELD) {
      reader.skip(wireType);
      continue;
    }
    const [traceparent = '', tracestate] = reader.string().split('\n');
    return tracestate === undefined ? { traceparent } : { traceparent, tracestate };
  }
  return {};
}

/** The event of a hand-off as if its image were chunked: here the image follows in the same file. */
function asEvent(handOff: SpooledHandOff): CheckedArchiveEvent {
  return {
    handoffId: handOff.handoffId,
    imageHash: handOff.imageHash,
    imageSizeBytes: handOff.image.length,
    imageMediaType: 'image/jpeg',
    requestId: handOff.requestId,
    createTime: handOff.createTime,
    inputRecord: handOff.record,
    image: { kind: 'chunked', chunkCount: chunkCount(handOff.image.length), chunkBytes: CHUNK_BYTES },
  };
}
