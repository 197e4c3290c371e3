import type { EngineImage } from './image-engine.ts';

/** File formats a caller can ask for. */
export type ImageFormat = 'jpeg' | 'png' | 'webp';

export const MEDIA_TYPES: Readonly<Record<ImageFormat, string>> = {
  jpeg: 'image/jpeg',
  png: 'image/png',
  webp: 'image/webp',
};

/** An encoded image file. */
export interface EncodedImage {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

/** Port: turns an engine's picture into a file. Pure: the same picture and settings give the same bytes. */
export interface ImageEncoder {
  /**
   * Encodes without blocking the event loop.
   * @param quality 1 to 100; without meaning for PNG.
   * @throws {EngineError} IMAGE_CORRUPT or BAD_RESPONSE when the engine's file is not a whole picture.
   */
  encode(image: EngineImage, format: ImageFormat, quality: number): Promise<EncodedImage>;
}
