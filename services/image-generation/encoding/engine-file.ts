import { EngineError } from '../errors.ts';

/** First bytes of the file formats that engines answer with. Whatever else libvips could open, SVG included, is refused. */
const SIGNATURES: readonly ((bytes: Buffer) => boolean)[] = [
  (bytes) => bytes.subarray(0, 3).toString('hex') === 'ffd8ff',
  isPng,
  (bytes) => bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP',
];

function isPng(bytes: Buffer): boolean {
  return bytes.subarray(0, 8).toString('hex') === '89504e470d0a1a0a';
}

/**
 * Checks what the decoder would let pass.
 * @throws {EngineError} BAD_RESPONSE when the file is none of JPEG, PNG and WebP, IMAGE_CORRUPT when a PNG is
 * truncated behind its pixels.
 */
export function checkEngineFile(file: Uint8Array): void {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (!SIGNATURES.some((fits) => fits(bytes))) {
    throw new EngineError('BAD_RESPONSE', 'the engine answered with something that is not an image', {
      cause: new Error(`${bytes.length} bytes, beginning with ${bytes.subarray(0, 16).toString('hex')}`),
    });
  }
  // libpng stops reading after the last row: a missing end goes unnoticed (seen with libvips 8.18).
  if (isPng(bytes) && !hasPngEnd(bytes)) {
    throw new EngineError('IMAGE_CORRUPT', 'the engine made a damaged picture', {
      cause: new Error(`PNG of ${bytes.length} bytes without IEND`),
    });
  }
}

/** Walks the chunks (length, type, data, CRC) to IEND. */
function hasPngEnd(bytes: Buffer): boolean {
  let offset = 8;
  while (offset + 12 <= bytes.length) {
    if (bytes.toString('latin1', offset + 4, offset + 8) === 'IEND') return true;
    offset += 12 + bytes.readUInt32BE(offset);
  }
  return false;
}
