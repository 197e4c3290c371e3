import sharp from 'sharp';

/** Longest side of a preview, pixels. */
const MAX_SIDE = 256;
/** Below it stays a file of {@link MAX_SIDE}² pixels of noise: 40 KiB at this quality. */
const QUALITY = 60;
/** Largest picture that is opened, pixels. */
const MAX_INPUT_PIXELS = 4_096 * 4_096;

export interface SmallPreview {
  readonly mediaType: 'image/jpeg';
  readonly data: Uint8Array;
}

/** A small JPEG of an unfinished picture; undefined when it cannot be read: a preview is a courtesy. */
export async function smallPreview(file: Buffer): Promise<SmallPreview | undefined> {
  try {
    const data = await sharp(file, { limitInputPixels: MAX_INPUT_PIXELS })
      .resize(MAX_SIDE, MAX_SIDE, { fit: 'inside', withoutEnlargement: true })
      .flatten({ background: 'white' })
      .jpeg({ quality: QUALITY })
      .toBuffer();
    return { mediaType: 'image/jpeg', data };
  } catch {
    return undefined;
  }
}
