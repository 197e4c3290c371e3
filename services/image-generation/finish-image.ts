/** From the moment an image exists: its file for the caller, its pair for the archive, each on its own way. */
import type { Logger } from '../runtime/logger.ts';
import { type Span, traced, traceFacts } from '../runtime/tracing/tracing.ts';
import type { Archive, HandOff } from './archive.ts';
import { EngineError } from './errors.ts';
import type { EncodedImage, ImageEncoder } from './image-encoder.ts';
import type { EngineImage } from './image-engine.ts';
import { sha256 } from '../runtime/sha256.ts';
import { type GenerationFacts, serialiseInputRecord } from './input-record.ts';
import { DEFAULT_IMAGE_QUALITY, type ImageRequest } from './image-request.ts';

/** An encoded image with the SHA-256 of its bytes. */
export interface HashedImage extends EncodedImage {
  /** 32 bytes. */
  readonly sha256: Uint8Array;
}

/** A pair that is being, or could not be, handed over. */
export interface Archiving {
  readonly imageHash: string;
  readonly handOff: HandOff;
}

export interface FinishedImage {
  /** The file the caller asked for. */
  readonly file: Promise<HashedImage>;
  /** The pair's way into the archive; undefined when archiving is off. Never rejects: a failure is null. */
  readonly archiving: Promise<Archiving | null> | undefined;
}

export interface FinishImageDependencies {
  readonly encoder: ImageEncoder;
  readonly archive: Archive | undefined;
  readonly logger: Logger;
  /** Hears of each image on its way to the archive, whose owner waits for them before it stops. */
  readonly onArchiving?: (archiving: Promise<unknown>) => void;
}

/**
 * Encodes, hashes and hands over. Starts everything at once and does not look at any signal: an image that
 * exists is archived whatever the caller does.
 */
export function finishImage(
  image: EngineImage,
  request: ImageRequest,
  facts: GenerationFacts,
  span: Span,
  { encoder, archive, logger, onArchiving }: FinishImageDependencies,
): FinishedImage {
  const encode = (format: 'jpeg' | 'png' | 'webp', quality: number): Promise<HashedImage> =>
    traced(span, 'encode', { attributes: { 'sekai.image.format': format } }, async (own) => {
      const encoded = await encoder.encode(image, format, quality);
      checkDimensions(encoded, request);
      own.set({ 'sekai.image.bytes': encoded.bytes.length });
      return { ...encoded, sha256: await sha256(encoded.bytes) };
    });
  const file = encode(request.format, request.quality);
  file.catch(() => {}); // The caller may be gone; whoever still waits gets the error.
  if (archive === undefined) return { file, archiving: undefined };

  const jpeg = request.format === 'jpeg' ? file : encode('jpeg', DEFAULT_IMAGE_QUALITY);
  const archiving = jpeg.then(
    (archived) => handOver(archived, request, facts, span, archive, logger),
    (error: unknown) => {
      logger.error(
        { requestId: request.job.requestId, ...traceFacts(span), err: error },
        'image could not be encoded for the archive',
      );
      return null;
    },
  );
  onArchiving?.(archiving);
  return { file, archiving };
}

/** `accepted`, the record and the caller's layout all say so: another size is another picture. */
function checkDimensions({ width, height }: EncodedImage, { job }: ImageRequest): void {
  if (width === job.width && height === job.height) return;
  const sizes = `${width} x ${height} pixels instead of ${job.width} x ${job.height}`;
  throw new EngineError('BAD_RESPONSE', `the engine made a picture of ${sizes}`);
}

function handOver(
  jpeg: HashedImage,
  request: ImageRequest,
  facts: GenerationFacts,
  span: Span,
  archive: Archive,
  logger: Logger,
): Archiving {
  const imageHash = Buffer.from(jpeg.sha256).toString('hex');
  const { requestId } = request.job;
  const record = serialiseInputRecord(request, facts, {
    hash: imageHash,
    sizeBytes: jpeg.bytes.length,
    mediaType: jpeg.mediaType,
    width: jpeg.width,
    height: jpeg.height,
  });
  const handOff = archive.handOff({
    imageHash,
    image: jpeg.bytes,
    record,
    requestId,
    trace: span.carrier,
  });
  logger.info(
    { requestId, imageHash, handOffId: handOff.id, imageBytes: jpeg.bytes.length, ...traceFacts(span) },
    `Triggered async internal S3 upload for hash: ${imageHash}`,
  );
  return { imageHash, handOff };
}
