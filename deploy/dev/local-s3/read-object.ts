import { aclDocument, anonymousMayRead } from './canned-acl.ts';
import type { Answer, Exchange, Site } from './exchange.ts';
import type { ObjectMetadata, OpenObject } from './object-files.ts';
import { queryValue } from './request-target.ts';
import { accessDenied, S3Error } from './s3-error.ts';
import type { BucketSettings } from './settings.ts';
import { xmlAnswer } from './exchange.ts';

/** Answers a signed GET may ask for by query; not for the anonymous. */
export const RESPONSE_OVERRIDES = [
  'response-cache-control',
  'response-content-disposition',
  'response-content-encoding',
  'response-content-language',
  'response-content-type',
  'response-expires',
] as const;

/** GET and HEAD Object. */
export async function readObject(
  exchange: Exchange,
  site: Site,
  bucket: BucketSettings,
  key: string,
): Promise<Answer> {
  const object = await openReadable(exchange, site, bucket, key);
  try {
    const range = byteRange(exchange.request.headers.range, object.sizeBytes);
    const headers = { ...objectHeaders(object.metadata), ...overrides(exchange) };
    const length = range.end - range.start + 1;
    if (range.partial) headers['content-range'] = `bytes ${range.start}-${range.end}/${object.sizeBytes}`;
    else Object.assign(headers, checksumHeaders(exchange, object.metadata));
    return {
      status: range.partial ? 206 : 200,
      headers,
      body: { file: object.file, start: range.start, length },
    };
  } catch (error) {
    await object.file.close();
    throw error;
  }
}

/** GET Object ?acl */
export async function readObjectAcl(
  exchange: Exchange,
  site: Site,
  bucket: BucketSettings,
  key: string,
): Promise<Answer> {
  if (exchange.trace.anonymous) throw accessDenied();
  const object = await openReadable(exchange, site, bucket, key);
  await object.file.close();
  return xmlAnswer(aclDocument(object.metadata.acl, bucket));
}

/** The object, if the asker may know of it and it exists. The caller closes its file. */
async function openReadable(
  { trace }: Exchange,
  site: Site,
  bucket: BucketSettings,
  key: string,
): Promise<OpenObject> {
  const object = await site.files.open(bucket.name, key);
  if (trace.anonymous && !anonymousMayRead(object?.metadata.acl, bucket)) {
    await object?.file.close();
    throw accessDenied();
  }
  if (object !== undefined) return object;
  // Who may not list may not learn that a key is missing.
  if (trace.anonymous || !bucket.listBucketAllowed) throw accessDenied();
  throw new S3Error(404, 'NoSuchKey', 'The specified key does not exist.', { Key: key });
}

function objectHeaders(metadata: ObjectMetadata): Record<string, string> {
  const user = Object.entries(metadata.userMetadata).map(
    ([name, value]) => [`x-amz-meta-${name}`, value] as const,
  );
  const stored = [...Object.entries(metadata.headers), ...user].map(([name, value]) => [
    name,
    asHeaderText(value),
  ]);
  return {
    ...(Object.fromEntries(stored) as Record<string, string>),
    etag: `"${metadata.etag}"`,
    'last-modified': new Date(metadata.lastModified).toUTCString(),
    'accept-ranges': 'bytes',
  };
}

/** As AWS hands out metadata that is not printable ASCII: RFC 2047. */
function asHeaderText(value: string): string {
  return /^[\x20-\x7e]*$/.test(value) ? value : `=?UTF-8?B?${Buffer.from(value).toString('base64')}?=`;
}

function checksumHeaders({ request }: Exchange, metadata: ObjectMetadata): Record<string, string> {
  if (request.headersDistinct['x-amz-checksum-mode']?.[0]?.toUpperCase() !== 'ENABLED') return {};
  const checksums = Object.entries(metadata.checksums);
  if (checksums.length === 0) return {};
  return {
    ...Object.fromEntries(checksums.map(([name, value]) => [`x-amz-checksum-${name}`, value])),
    'x-amz-checksum-type': 'FULL_OBJECT',
  };
}

function overrides({ target, trace }: Exchange): Record<string, string> {
  const asked = RESPONSE_OVERRIDES.flatMap((name) => {
    const value = queryValue(target.query, name);
    return value === undefined ? [] : [[name.slice('response-'.length), asHeaderText(value)] as const];
  });
  if (asked.length > 0 && trace.anonymous) {
    const message = 'Request specific response headers cannot be used for anonymous GET requests.';
    throw new S3Error(400, 'InvalidRequest', message);
  }
  return Object.fromEntries(asked);
}

interface ByteRange {
  readonly partial: boolean;
  readonly start: number;
  /** Inclusive; before `start` when there is nothing. */
  readonly end: number;
}

/** One range; several, or another unit, mean the whole object, as on AWS. */
function byteRange(header: string | undefined, sizeBytes: number): ByteRange {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (match === null || (first === '' && last === ''))
    return { partial: false, start: 0, end: sizeBytes - 1 };
  const start = first === '' ? Math.max(0, sizeBytes - Number(last)) : Number(first);
  const end = first === '' || last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  if (start >= sizeBytes || end < start) {
    throw new S3Error(
      416,
      'InvalidRange',
      'The requested range is not satisfiable',
      { RangeRequested: header ?? '', ActualObjectSize: String(sizeBytes) },
      { 'content-range': `bytes */${sizeBytes}` },
    );
  }
  return { partial: true, start, end };
}
