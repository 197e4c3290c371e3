/** Port: what the service may ask about pairs that are in the bucket, to which it has no access itself. */

/** Where a pair is. */
export interface StoredPair {
  readonly bucket: string;
  /** Key of the image. */
  readonly key: string;
  /** Key of the input record. */
  readonly recordKey: string;
}

/** Whoever has it can read the image until it expires: never to be logged. */
export interface DownloadLink {
  readonly url: string;
  readonly expireTime: Date;
}

/** No link this time; asking again can help. The message names no secret. */
export class DownloadLinkError extends Error {
  override readonly name = 'DownloadLinkError';
}

export interface StoredPairs {
  /**
   * Resolves once both objects of the pair are in the bucket, at once when they are there already. Waits through
   * any outage. Rejects with the signal's reason, and only with that.
   */
  whenStored(imageHash: string, signal: AbortSignal): Promise<StoredPair>;
  /**
   * Asks once for a link to a stored image.
   * @throws {DownloadLinkError} when there was no good answer in time; the signal's reason when it aborts.
   */
  downloadLink(imageHash: string, signal: AbortSignal): Promise<DownloadLink>;
}
