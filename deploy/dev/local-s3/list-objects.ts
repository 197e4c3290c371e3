import { type Answer, type Exchange, type Site, xmlAnswer } from './exchange.ts';
import { queryValue } from './request-target.ts';
import { invalidArgument } from './s3-error.ts';
import type { BucketSettings } from './settings.ts';
import { encodeUri } from './signature-v4.ts';
import { element, textElement, xmlDocument } from './xml.ts';

export const LIST_PARAMETERS = [
  'list-type',
  'prefix',
  'delimiter',
  'max-keys',
  'start-after',
  'continuation-token',
  'encoding-type',
  'fetch-owner',
] as const;

const MAX_KEYS = 1000;

interface Page {
  readonly keys: readonly string[];
  readonly commonPrefixes: readonly string[];
  /** The last key or common prefix, when there is more. */
  readonly next: string | undefined;
}

/** ListObjectsV2. */
export async function listObjects({ target }: Exchange, site: Site, bucket: BucketSettings): Promise<Answer> {
  const value = (name: (typeof LIST_PARAMETERS)[number]) => queryValue(target.query, name);
  const prefix = value('prefix') ?? '';
  const token = value('continuation-token');
  const after = token === undefined ? (value('start-after') ?? '') : decodeToken(token);
  const limit = maxKeys(value('max-keys'));
  const all = await site.files.keys(bucket.name, prefix);
  const page = cutPage(all, { prefix, delimiter: value('delimiter') || undefined, after, limit });
  const urlEncoded = value('encoding-type') === 'url';
  const shown = urlEncoded ? encodeKey : (key: string) => key;
  const contents: string[] = [];
  // One after the other: a page opened at once would use up a small limit of open files.
  for (const key of page.keys) contents.push(await contentsElement(site, bucket.name, key, shown(key)));
  const elements = [
    textElement('Name', bucket.name),
    textElement('Prefix', shown(prefix)),
    urlEncoded ? textElement('EncodingType', 'url') : '', // botocore decodes only when told
    textElement('MaxKeys', limit),
    textElement('KeyCount', page.keys.length + page.commonPrefixes.length),
    textElement('IsTruncated', page.next !== undefined),
    page.next === undefined
      ? ''
      : textElement('NextContinuationToken', Buffer.from(page.next).toString('base64url')),
    ...contents,
    ...page.commonPrefixes.map((common) => element('CommonPrefixes', textElement('Prefix', shown(common)))),
  ];
  const namespace = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
  return xmlAnswer(xmlDocument(element('ListBucketResult', elements.join(''), namespace)));
}

interface Cut {
  readonly prefix: string;
  readonly delimiter: string | undefined;
  /** Only what comes after this key or common prefix. */
  readonly after: string;
  readonly limit: number;
}

function cutPage(all: readonly string[], { prefix, delimiter, after, limit }: Cut): Page {
  const keys: string[] = [];
  const commonPrefixes: string[] = [];
  let last = after;
  for (const key of all) {
    const cut = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
    const common = cut === -1 || delimiter === undefined ? undefined : key.slice(0, cut + delimiter.length);
    const entry = common ?? key;
    if (Buffer.compare(Buffer.from(entry), Buffer.from(last)) <= 0 && last !== '') continue;
    if (keys.length + commonPrefixes.length >= limit) {
      return { keys, commonPrefixes, next: limit === 0 ? undefined : last };
    }
    (common === undefined ? keys : commonPrefixes).push(entry);
    last = entry;
  }
  return { keys, commonPrefixes, next: undefined };
}

async function contentsElement(site: Site, bucket: string, key: string, shown: string): Promise<string> {
  const object = await site.files.open(bucket, key);
  if (object === undefined) return ''; // deleted meanwhile
  await object.file.close();
  return element(
    'Contents',
    textElement('Key', shown) +
      textElement('LastModified', object.metadata.lastModified) +
      textElement('ETag', `"${object.metadata.etag}"`) +
      textElement('Size', object.sizeBytes) +
      textElement('StorageClass', object.metadata.headers['x-amz-storage-class'] ?? 'STANDARD'),
  );
}

function maxKeys(text: string | undefined): number {
  if (text === undefined) return MAX_KEYS;
  if (!/^\d{1,9}$/.test(text)) {
    throw invalidArgument('Provided max-keys not an integer or within integer range', 'max-keys', text);
  }
  return Math.min(Number(text), MAX_KEYS);
}

function decodeToken(token: string): string {
  const key = Buffer.from(token, 'base64url').toString();
  if (key === '' || Buffer.from(key).toString('base64url') !== token) {
    throw invalidArgument('The continuation token provided is incorrect', 'continuation-token', token);
  }
  return key;
}

const encodeKey = (key: string) => key.split('/').map(encodeUri).join('/');
