/** Lists a bucket page by page (ListObjectsV2), so that millions of keys never stand in memory together. */
import type { Attempt, AttemptOutcome } from './attempt-loop.ts';
import { readAnswer, type S3Answer } from './s3-answer.ts';
import { failureOf, type S3Connection } from './s3-connection.ts';
import { signRequest } from './sigv4.ts';
import type { Operation } from './target-faults.ts';
import { children, childText, parseXml } from './xml.ts';

export interface ListedObject {
  readonly key: string;
  readonly sizeBytes: number;
  readonly lastModified: Date;
}

export interface ListOptions {
  readonly prefix: string;
  /** Keys in one answer, 1 to 1000. Default 1000. */
  readonly pageSize?: number;
}

interface Page {
  readonly objects: readonly ListedObject[];
  /** Undefined on the last page. */
  readonly nextToken: string | undefined;
}

/** A thousand keys of the greatest length, each with owner and checksum: far above what stores send. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024;

/**
 * All objects whose key starts with `prefix`, in the order of their keys.
 * @throws {TargetFault} kind `permission` without s3:ListBucket.
 */
export async function* listObjects(
  connection: S3Connection,
  options: ListOptions,
  signal: AbortSignal,
): AsyncGenerator<ListedObject> {
  let token: string | undefined;
  do {
    const page = await listPage(connection, options, token, signal);
    yield* page.objects;
    token = page.nextToken;
  } while (token !== undefined);
}

function listPage(
  connection: S3Connection,
  { prefix, pageSize = 1000 }: ListOptions,
  token: string | undefined,
  signal: AbortSignal,
): Promise<Page> {
  const { attempts, config, location, pool } = connection;
  const operation: Operation = { method: 'GET', target: `list of ${prefix}`, actions: ['s3:ListBucket'] };
  const url = location.bucketUrl({
    'list-type': '2',
    'max-keys': String(pageSize),
    'encoding-type': 'url',
    // An empty value would make a bare name.
    ...(prefix === '' ? {} : { prefix }),
    ...(token === undefined ? {} : { 'continuation-token': token }),
  });
  const attempt = async (input: Attempt): Promise<AttemptOutcome<Page>> => {
    const headers = signRequest({ method: 'GET', url }, input.credentials, config.region, input.date);
    const path = `${url.pathname}${url.search}`;
    const response = await pool.request({ method: 'GET', path, headers, signal: input.signal });
    const answer = await readAnswer(response, MAX_PAGE_BYTES);
    const page = readPage(answer);
    return page === undefined ? failureOf(answer, operation, connection) : { ok: true, value: page };
  };
  return attempts.run(
    { operation, timeoutMs: connection.attemptTimeoutMs(MAX_PAGE_BYTES / 8), attempt },
    signal,
  );
}

/** Undefined when the answer is no list. */
export function readPage({ status, text }: Pick<S3Answer, 'status' | 'text'>): Page | undefined {
  const document = status === 200 ? parseXml(text) : undefined;
  if (document?.root !== 'ListBucketResult') return undefined;
  const { node } = document;
  // Not every store encodes keys when asked to; it says whether it did.
  const decode = childText(node, 'EncodingType') === 'url' ? decodeKey : (key: string): string => key;
  const objects = children(node, 'Contents').map((entry) => ({
    key: decode(childText(entry, 'Key') ?? ''),
    sizeBytes: Number(childText(entry, 'Size')),
    lastModified: new Date(childText(entry, 'LastModified') ?? ''),
  }));
  const truncated = childText(node, 'IsTruncated') === 'true';
  return { objects, nextToken: truncated ? childText(node, 'NextContinuationToken') : undefined };
}

function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '));
  } catch {
    return key;
  }
}
