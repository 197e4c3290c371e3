import { isImageHash, pairKeys } from '../proto/archive-event.ts';
import type { ArchiveIndex } from './archive-index.ts';
import type { ArchiveTarget } from './archive-pair.ts';
import type { ObjectStore } from './object-store.ts';

/** Port: signs links. */
export interface LinkSigner {
  /** A link that reads one object without credentials for `lifetimeSeconds`, or until our credentials end. */
  downloadLink(key: string, lifetimeSeconds: number): Promise<SignedLink>;
}

/** A secret for as long as it works: never to be logged. */
export interface SignedLink {
  readonly url: URL;
  readonly expiresAt: Date;
}

export interface GiveDownloadLinkParts {
  readonly index: ArchiveIndex;
  readonly objectStore: ObjectStore;
  readonly signer: LinkSigner;
  readonly target: ArchiveTarget;
  /** Life of a link when none is asked for, seconds. */
  readonly defaultSeconds: number;
}

/** Longest life of a link, seconds: a day. */
export const MAX_LINK_SECONDS = 24 * 3600;

/** There is no such image here. */
export class ImageNotFoundError extends Error {
  override readonly name = 'ImageNotFoundError';
}

/**
 * A link to an archived image. A life of zero is the default one; longer than a day is a day.
 * @throws {ImageNotFoundError} when the hash is not one, or is not known to be archived in this bucket.
 * @throws {TargetFault} when the bucket cannot be asked, or there are no credentials to sign with.
 */
export type GiveDownloadLink = (
  imageHash: string,
  seconds: number,
  signal: AbortSignal,
) => Promise<SignedLink>;

export function createGiveDownloadLink(parts: GiveDownloadLinkParts): GiveDownloadLink {
  const { index, objectStore, signer, target, defaultSeconds } = parts;

  async function isArchived(imageHash: string, signal: AbortSignal): Promise<boolean> {
    const keys = pairKeys(target.prefix, imageHash);
    const entry = await index.get(imageHash);
    // An entry of another bucket, or of another prefix, says nothing about ours.
    if (entry?.bucket === target.bucket && entry.key === keys.image) return true;
    // The record is uploaded last: where it is, the image is.
    return (await objectStore.exists(keys.record, signal)) === 'present';
  }

  return async (imageHash, seconds, signal) => {
    if (!isImageHash(imageHash)) throw new ImageNotFoundError('not an image hash');
    if (!(await isArchived(imageHash, signal)))
      throw new ImageNotFoundError('the image is not archived here');
    const lifetime = Math.min(seconds === 0 ? defaultSeconds : seconds, MAX_LINK_SECONDS);
    return signer.downloadLink(pairKeys(target.prefix, imageHash).image, lifetime);
  };
}
