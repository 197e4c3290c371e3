import { isIP } from 'node:net';
import { archiveLocationVariables } from '../../services/runtime/archive-location.ts';
import { ConfigError, oneOf, url, variable } from '../../services/runtime/environment.ts';

/** Where the pairs go, checked. Credentials are apart: see credentials/. */
export interface S3Config {
  /** Absent: AWS, in {@link S3Config.region}. */
  readonly endpoint?: URL;
  readonly region: string;
  readonly bucket: string;
  /** Empty, or without a leading and with a trailing slash. */
  readonly prefix: string;
  readonly objectAcl: 'private' | 'bucket-owner-full-control' | 'none';
  readonly checksum: 'sha256' | 'none';
  readonly addressing: 'auto' | 'path' | 'virtual';
}

const REGION = { expected: 'a region name such as eu-central-1', purpose: 'Region of the bucket' };
const readRegion = (value: string): string | undefined =>
  /^[a-z0-9-]{1,64}$/.test(value) ? value : undefined;

/** The environment variables of the S3 adapter, to be spread into a process's schema. */
export const s3Variables = {
  S3_ENDPOINT: url('S3-compatible store; without it AWS S3', ['https', 'http']).optional(),
  S3_REGION: variable(REGION, readRegion).optional(),
  AWS_REGION: variable({ ...REGION, purpose: 'Region if S3_REGION is unset' }, readRegion).optional(),
  AWS_DEFAULT_REGION: variable(
    { ...REGION, purpose: 'Region if S3_REGION and AWS_REGION are unset; else us-east-1' },
    readRegion,
  ).optional(),
  ...archiveLocationVariables,
  S3_OBJECT_ACL: oneOf(
    'Canned ACL sent with each object; buckets with ACLs disabled (the AWS default) want "none" or "bucket-owner-full-control"',
    ['private', 'bucket-owner-full-control', 'none'],
  ).prefault('private'),
  S3_CHECKSUM: oneOf('Checksum that the store shall verify and keep', ['sha256', 'none']).prefault('sha256'),
  S3_ADDRESSING: oneOf(
    'Bucket in the host name (virtual) or in the path; auto: virtual on AWS unless the bucket has dots',
    ['auto', 'path', 'virtual'],
  ).prefault('auto'),
};

/** What `readEnvironment` returns for {@link s3Variables}. */
export interface S3Environment {
  readonly S3_ENDPOINT?: URL | undefined;
  readonly S3_REGION?: string | undefined;
  readonly AWS_REGION?: string | undefined;
  readonly AWS_DEFAULT_REGION?: string | undefined;
  readonly S3_BUCKET: string;
  readonly S3_PREFIX: string;
  readonly S3_OBJECT_ACL: S3Config['objectAcl'];
  readonly S3_CHECKSUM: S3Config['checksum'];
  readonly S3_ADDRESSING: S3Config['addressing'];
}

/**
 * The adapter's configuration from its variables.
 * @throws {ConfigError} for values that are good by themselves but not together.
 */
export function s3ConfigFrom(environment: S3Environment): S3Config {
  const endpoint = environment.S3_ENDPOINT;
  if (endpoint !== undefined) checkEndpoint(endpoint, environment.S3_ADDRESSING);
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    region: environment.S3_REGION ?? environment.AWS_REGION ?? environment.AWS_DEFAULT_REGION ?? 'us-east-1',
    bucket: environment.S3_BUCKET,
    prefix: environment.S3_PREFIX,
    objectAcl: environment.S3_OBJECT_ACL,
    checksum: environment.S3_CHECKSUM,
    addressing: environment.S3_ADDRESSING,
  };
}

function checkEndpoint(endpoint: URL, addressing: S3Config['addressing']): void {
  if (
    endpoint.username !== '' ||
    endpoint.password !== '' ||
    endpoint.search !== '' ||
    endpoint.hash !== ''
  ) {
    const expected = 'a URL without user name, query and fragment';
    throw new ConfigError([{ name: 'S3_ENDPOINT', expected, value: endpoint.origin }]);
  }
  if (addressing === 'virtual' && isIP(endpoint.hostname.replaceAll(/[[\]]/g, '')) !== 0) {
    const expected = '"path" or "auto", as S3_ENDPOINT is an IP address';
    throw new ConfigError([{ name: 'S3_ADDRESSING', expected, value: addressing }]);
  }
}
