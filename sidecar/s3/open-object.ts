import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { classifyNetworkError } from './error-classification.ts';
import { firstValues } from './s3-answer.ts';
import { faultOfNetwork, type Operation } from './target-faults.ts';

/** What the store keeps about an object. */
export interface ObjectHead {
  /** Size of what was asked for, bytes: of the range, if one was. */
  readonly sizeBytes: number | undefined;
  readonly contentType: string | undefined;
  /** Without quotes. */
  readonly etag: string | undefined;
  /** Lower-case hex; present if it was sent at upload and the store keeps checksums of whole objects. */
  readonly sha256: string | undefined;
  readonly lastModified: Date | undefined;
  /** User metadata, without `x-amz-meta-`. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface OpenObject {
  readonly head: ObjectHead;
  /** The bytes, once, in order. Leaving the loop early closes the connection. Rejects with a TargetFault. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Lower-case hex SHA-256 of all bytes; undefined until the body has been read to its end. */
  sha256(): string | undefined;
  /** Drops what has not been read. Needed only if the body is not read. */
  close(): void;
}

/** Wraps an answer to GET whose body has not been read; `signal` cuts it off. */
export function openObject(
  response: Dispatcher.ResponseData,
  operation: Operation,
  origin: string,
  signal: AbortSignal,
): OpenObject {
  const hash = createHash('sha256');
  let digest: string | undefined;
  const stream: Readable = response.body;
  // Destroying an unread body makes undici report an error that is ours already.
  stream.on('error', () => {});
  async function* read(): AsyncGenerator<Uint8Array> {
    const onAbort = (): void => void stream.destroy(signal.reason as Error);
    signal.throwIfAborted();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      for await (const chunk of stream as AsyncIterable<Uint8Array>) {
        hash.update(chunk);
        yield chunk;
      }
      digest = hash.digest('hex');
    } catch (error) {
      signal.throwIfAborted();
      const network = classifyNetworkError(error);
      throw network === undefined ? error : faultOfNetwork(network, operation, origin, error);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }
  return {
    head: headOf(firstValues(response.headers)),
    body: read(),
    sha256: () => digest,
    close: () => void stream.destroy(),
  };
}

/** Reads the answer headers of HEAD and GET. */
export function headOf(headers: Readonly<Record<string, string>>): ObjectHead {
  const size = Number(headers['content-length'] ?? Number.NaN);
  const modified = Date.parse(headers['last-modified'] ?? '');
  const checksum = Buffer.from(headers['x-amz-checksum-sha256'] ?? '', 'base64');
  // A checksum of a multipart upload is a hash of hashes.
  const whole = headers['x-amz-checksum-type'] !== 'COMPOSITE' && checksum.length === 32;
  return {
    sizeBytes: Number.isSafeInteger(size) ? size : undefined,
    contentType: headers['content-type'],
    etag: headers['etag']?.replaceAll(/^"|"$/g, ''),
    sha256: whole ? checksum.toString('hex') : undefined,
    lastModified: Number.isNaN(modified) ? undefined : new Date(modified),
    metadata: Object.fromEntries(
      Object.entries(headers).flatMap(([name, value]) =>
        name.startsWith('x-amz-meta-') ? [[name.slice('x-amz-meta-'.length), value]] : [],
      ),
    ),
  };
}
