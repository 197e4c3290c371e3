import { createHash } from 'node:crypto';
import type { GenerationResult } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';

/** The archived image could not be fetched, or is not the one that was made. Names no link: it is a secret. */
export class DownloadError extends Error {
  override readonly name = 'DownloadError';
}

/** Largest image taken, bytes. */
const MAX_BYTES = 128 * 1024 * 1024;

/**
 * Fetches the image that a result of response format S3 links to and checks it against its hash.
 * @throws {DownloadError}
 */
export async function downloadImage(
  { archive, imageHash }: GenerationResult,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (!archive?.downloadUrl) {
    throw new DownloadError(`the server gave no link to s3://${archive?.bucket ?? ''}/${archive?.key ?? ''}`);
  }
  const bytes = await fetchBytes(archive.downloadUrl, signal);
  const digest = createHash('sha256').update(bytes).digest('hex');
  if (digest === imageHash) return bytes;
  throw new DownloadError(`the stored image has SHA-256 ${digest}, the result announced ${imageHash}`);
}

async function fetchBytes(url: string, signal: AbortSignal): Promise<Uint8Array> {
  try {
    const response = await fetch(url, { signal, redirect: 'error' });
    if (!response.ok) {
      await response.body?.cancel();
      throw new DownloadError(`the store answered the download with status ${response.status}`);
    }
    return await readBody(response);
  } catch (cause) {
    if (cause instanceof DownloadError || signal.aborted) throw cause;
    throw new DownloadError(`the store at ${new URL(url).host} could not be reached`, { cause });
  }
}

async function readBody({ body }: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of (body ?? []) as AsyncIterable<Uint8Array>) {
    size += part.length;
    if (size > MAX_BYTES) throw new DownloadError(`the stored image has more than ${MAX_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
