import type { S3Config } from './s3-config.ts';
import { encodePath, uriEncode } from './sigv4.ts';

/** The URLs of one bucket. */
export interface S3Location {
  readonly origin: string;
  /** Path to which forms are posted: the bucket, never the key. */
  readonly formPath: string;
  objectUrl(key: string, query?: Query): URL;
  bucketUrl(query: Query): URL;
}

/** Query parameters; an empty value makes a bare name, as in `?acl`. */
export type Query = Readonly<Record<string, string>>;

/** DNS suffix of AWS's endpoints in `region`. */
export const awsSuffix = (region: string): string =>
  region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';

/** Decides between virtual-host and path style as botocore does, and builds the bucket's URLs. */
export function s3Location(
  config: Pick<S3Config, 'endpoint' | 'region' | 'bucket' | 'addressing'>,
): S3Location {
  const endpoint = config.endpoint ?? new URL(`https://s3.${config.region}.${awsSuffix(config.region)}`);
  const virtual =
    config.addressing === 'virtual' ||
    (config.addressing === 'auto' && prefersVirtual(endpoint, config.bucket));
  const base = endpoint.pathname.replace(/\/+$/, '');
  const origin = virtual ? `${endpoint.protocol}//${config.bucket}.${endpoint.host}` : endpoint.origin;
  const bucketPath = virtual ? base : `${base}/${config.bucket}`;
  const at = (path: string, query: Query): URL => new URL(`${origin}${path}${queryText(query)}`);
  return {
    origin,
    formPath: bucketPath === '' ? '/' : bucketPath,
    objectUrl: (key, query = {}) => at(`${bucketPath}/${encodePath(key)}`, query),
    bucketUrl: (query) => at(bucketPath === '' ? '/' : bucketPath, query),
  };
}

// A bucket with dots does not match AWS's wildcard certificate; other stores often lack the wildcard DNS.
function prefersVirtual(endpoint: URL, bucket: string): boolean {
  return /(^|\.)amazonaws\.com(\.cn)?$/.test(endpoint.hostname) && !bucket.includes('.');
}

function queryText(query: Query): string {
  const parts = Object.entries(query).map(([name, value]) =>
    value === '' ? uriEncode(name) : `${uriEncode(name)}=${uriEncode(value)}`,
  );
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}
