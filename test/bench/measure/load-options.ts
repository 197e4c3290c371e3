export const METHOD_PATH = '/sekai.image.v1.ImageGenerationService/GenerateImage';
/** Flow-control window of a stream and of a connection: 2^20 - 1 bytes. */
export const WINDOW_BITS = 20;

export interface LoadOptions {
  readonly port: number;
  /** How many calls in all. */
  readonly calls: number;
  readonly connections: number;
  /** At once on each connection. */
  readonly streams: number;
  /** An answer with fewer bytes on average is an error that came with HTTP status 200, bytes. */
  readonly minAnswerBytes: number;
}
