import sharp from 'sharp';

/** Edge of the square that a picture is fitted into, pixels. */
export const THUMBNAIL_PIXELS = 300;
/** As many as the largest image the service makes has, twice over. */
const MAX_INPUT_PIXELS = 2 * 4096 * 4096;

/** A small PNG; undefined when the bytes are no image that can be read. */
export async function thumbnail(image: Uint8Array): Promise<Buffer | undefined> {
  try {
    return await sharp(image, { limitInputPixels: MAX_INPUT_PIXELS })
      .rotate()
      .resize(THUMBNAIL_PIXELS, THUMBNAIL_PIXELS, { fit: 'inside' })
      .png({ compressionLevel: 1 })
      .toBuffer();
  } catch {
    return undefined;
  }
}
