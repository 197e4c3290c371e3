/** Port: the chunks of images that were too large for their event. */
export interface ImageChunks {
  /**
   * One chunk, or undefined when it certainly is not there: a replica that lags is asked again, then the leader.
   * @throws {Error} when it cannot be told.
   */
  get(chunk: ChunkName, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** Removes all chunks of an image, whoever published them. Only for pairs known to be archived. Idempotent. */
  purge(imageHash: string): Promise<void>;
}

export interface ChunkName {
  readonly imageHash: string;
  readonly handoffId: string;
  readonly index: number;
}
