import { join } from 'node:path';
import { S3Error } from './s3-error.ts';

const MAX_KEY_BYTES = 1024;
/** Of one path segment on common file systems, less the room for `.json`. */
const MAX_SEGMENT_BYTES = 250;

/**
 * Checks that a key names a file inside its bucket's folder.
 * @throws {S3Error} KeyTooLongError, or InvalidArgument for keys that S3 would take but no file can bear:
 *   empty, `.` and `..` segments, NUL.
 */
export function checkKey(key: string): void {
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) {
    throw new S3Error(400, 'KeyTooLongError', 'Your key is too long', {
      Size: String(Buffer.byteLength(key)),
      MaxSizeAllowed: String(MAX_KEY_BYTES),
    });
  }
  for (const segment of key.split('/')) {
    const escapes = segment === '' || segment === '.' || segment === '..';
    if (escapes || segment.includes('\0') || Buffer.byteLength(segment) > MAX_SEGMENT_BYTES) {
      throw new S3Error(
        400,
        'InvalidArgument',
        'This server keeps objects as files and cannot keep this key.',
        {
          ArgumentName: 'key',
          ArgumentValue: key,
        },
      );
    }
  }
}

/** Where an object's bytes and its metadata live. */
export function objectPaths(
  directory: string,
  bucket: string,
  key: string,
): { data: string; metadata: string } {
  checkKey(key);
  return {
    data: join(directory, bucket, key),
    metadata: join(directory, '.metadata', bucket, `${key}.json`),
  };
}
