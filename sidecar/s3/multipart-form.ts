/** multipart/form-data with one file at its end, built around the file's bytes without copying them. */
import { randomBytes } from 'node:crypto';

/** Largest write, bytes. undici restarts its headers timer per write, so smaller writes make it mean "no progress". */
export const BODY_CHUNK_BYTES = 256 * 1024;
/** S3's limit on everything before the file, bytes (MaxPostPreDataLengthExceeded). */
export const MAX_BYTES_BEFORE_FILE = 20_480;

export interface FormFile {
  readonly filename: string;
  readonly contentType: string;
  readonly bytes: Uint8Array;
}

export interface MultipartForm {
  /** Value of the request's Content-Type. */
  readonly contentType: string;
  /** Value of the request's Content-Length: S3 refuses chunked encoding. */
  readonly lengthBytes: number;
  /** Head, views of the file, tail. May be sent more than once. */
  readonly body: readonly Uint8Array[];
}

/**
 * Frames `fields` and, last, the file. Only the file's part has a `filename`: VersityGW takes any part with one for
 * the file. The body ends in `--boundary--` CRLF, which VersityGW demands.
 * @throws {RangeError} for names or values that would break the framing, or too many bytes before the file.
 */
export function multipartForm(
  fields: readonly (readonly [name: string, value: string])[],
  file: FormFile,
  boundary: string = randomBoundary(),
): MultipartForm {
  const parts = fields.map(([name, value]) => {
    checkToken(name);
    if (/[\r\n\0]/.test(value)) throw new RangeError(`form field ${name} holds a line break`);
    return `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  });
  checkToken(file.filename);
  checkToken(file.contentType);
  const head = Buffer.from(
    `${parts.join('')}--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${file.filename}"\r\n` +
      `Content-Type: ${file.contentType}\r\n\r\n`,
  );
  if (head.length > MAX_BYTES_BEFORE_FILE) {
    throw new RangeError(
      `the form's fields take ${head.length} bytes, S3 allows ${MAX_BYTES_BEFORE_FILE} before the file`,
    );
  }
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    lengthBytes: head.length + file.bytes.length + tail.length,
    body: [head, ...viewsOf(file.bytes), tail],
  };
}

/** 144 random bits: that it occurs in the file is out of the question, so the file is not searched for it. */
export const randomBoundary = (): string => `----s3up${randomBytes(18).toString('base64url')}`;

function viewsOf(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / BODY_CHUNK_BYTES) }, (_, index) =>
    bytes.subarray(index * BODY_CHUNK_BYTES, (index + 1) * BODY_CHUNK_BYTES),
  );
}

function checkToken(text: string): void {
  if (!/^[\x20-\x7e]+$/.test(text) || text.includes('"')) {
    throw new RangeError('names in a form are of printable ASCII without quotes');
  }
}
