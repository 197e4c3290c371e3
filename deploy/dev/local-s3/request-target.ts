import { S3Error } from './s3-error.ts';

/** What a request line and its Host point at. */
export interface RequestTarget {
  readonly bucket: string | undefined;
  /** Decoded; undefined when the bucket itself is meant. */
  readonly key: string | undefined;
  /** Decoded, as it is signed. */
  readonly path: string;
  /** Decoded pairs in the order sent. */
  readonly query: readonly (readonly [string, string])[];
  /** Where the bucket begins, without a trailing slash, for Location. */
  readonly bucketUrl: string;
}

/**
 * Path style (`/bucket/key`), or virtual-host style when the Host is `{bucket}.localhost`.
 * @throws {S3Error} InvalidURI
 */
export function requestTarget(url: string, host: string): RequestTarget {
  const questionMark = url.indexOf('?');
  const path = decode(questionMark === -1 ? url : url.slice(0, questionMark));
  const query = questionMark === -1 ? [] : queryPairs(url.slice(questionMark + 1));
  if (!path.startsWith('/')) throw invalidUri();
  const virtual = /^(.+)\.localhost(?::\d+)?$/i.exec(host)?.[1];
  if (virtual !== undefined) {
    return { bucket: virtual, key: path.slice(1) || undefined, path, query, bucketUrl: `http://${host}` };
  }
  const slash = path.indexOf('/', 1);
  const bucket = slash === -1 ? path.slice(1) : path.slice(1, slash);
  return {
    bucket: bucket || undefined,
    key: slash === -1 ? undefined : path.slice(slash + 1) || undefined,
    path,
    query,
    bucketUrl: `http://${host}/${bucket}`,
  };
}

/** The value of a query parameter, by exact name. */
export const queryValue = (query: RequestTarget['query'], name: string) =>
  query.find(([candidate]) => candidate === name)?.[1];

function queryPairs(text: string): RequestTarget['query'] {
  return text
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equals = pair.indexOf('=');
      const [name, value] = equals === -1 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)];
      return [decode(name.replaceAll('+', ' ')), decode(value.replaceAll('+', ' '))] as const;
    });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalidUri();
  }
}

const invalidUri = () => new S3Error(400, 'InvalidURI', "Couldn't parse the specified URI.");
