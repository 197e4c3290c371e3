import { isImageHash } from '../../../proto/archive-event.ts';
import type { ListedObject } from '../../s3/object-reader.ts';

export interface NewestImage {
  readonly imageHash: string;
  readonly key: string;
  readonly sizeBytes: number;
  readonly archivedAt: Date;
}

export interface NewestImages {
  /** At most as many as were asked for, newest first. */
  readonly images: readonly NewestImage[];
  /** All images that are young enough. */
  readonly total: number;
}

/**
 * Finds the images of a listing that were archived since `since`. Keys are hashes, in no order of time, so that the
 * whole list has to be read; never more than twice `limit` are kept of it.
 * @param start What the keys of images start with, prefix included.
 */
export async function newestImages(
  objects: AsyncIterable<ListedObject>,
  start: string,
  since: Date,
  limit: number,
): Promise<NewestImages> {
  let kept: NewestImage[] = [];
  let total = 0;
  const newestFirst = (): NewestImage[] =>
    kept.toSorted((a, b) => b.archivedAt.getTime() - a.archivedAt.getTime()).slice(0, limit);
  for await (const { key, sizeBytes, lastModified } of objects) {
    const imageHash = key.slice(start.length, -'.jpg'.length);
    if (!key.endsWith('.jpg') || !isImageHash(imageHash) || !(lastModified >= since)) continue;
    total += 1;
    kept.push({ imageHash, key, sizeBytes, archivedAt: lastModified });
    if (kept.length >= 2 * limit) kept = newestFirst();
  }
  return { images: newestFirst(), total };
}
