import { acceptedAcl } from './canned-acl.ts';
import { type ContentClaims, contentClaims } from './content-check.ts';
import type { ObjectMetadata } from './object-files.ts';
import { invalidArgument, notImplemented, S3Error } from './s3-error.ts';
import type { BucketSettings } from './settings.ts';

/** What an upload says about its object, in form fields or headers. */
export interface ObjectDescription {
  readonly claims: ContentClaims;
  readonly metadata: Omit<ObjectMetadata, 'etag' | 'lastModified'>;
}

const STORED_HEADERS = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
  'x-amz-server-side-encryption',
] as const;

const STORAGE_CLASSES = new Set([
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'DEEP_ARCHIVE',
  'GLACIER_IR',
]);

const UNSUPPORTED = [
  'tagging',
  'x-amz-tagging',
  'x-amz-website-redirect-location',
  'x-amz-server-side-encryption-customer-algorithm',
  'x-amz-object-lock-mode',
  'x-amz-copy-source',
] as const;

/**
 * @param values by lower-case name
 * @param aclName `acl` in a form, `x-amz-acl` in headers
 * @throws {S3Error}
 */
export function describeObject(
  values: ReadonlyMap<string, string>,
  aclName: 'acl' | 'x-amz-acl',
  bucket: BucketSettings,
): ObjectDescription {
  const unsupported = UNSUPPORTED.find((name) => values.has(name));
  if (unsupported !== undefined) throw notImplemented(unsupported);
  const claims = contentClaims((name) => values.get(name));
  const headers: Record<string, string> = {
    'content-type': values.get('content-type') || 'binary/octet-stream',
  };
  for (const name of STORED_HEADERS) {
    const value = values.get(name);
    if (value !== undefined) headers[name] = value;
  }
  checkEncryption(headers['x-amz-server-side-encryption']);
  const storageClass = checkedStorageClass(values.get('x-amz-storage-class'));
  if (storageClass !== 'STANDARD') headers['x-amz-storage-class'] = storageClass;
  return {
    claims,
    metadata: {
      headers,
      userMetadata: userMetadata(values),
      acl: acceptedAcl(values.get(aclName), bucket),
      checksums: claims.checksums,
    },
  };
}

function userMetadata(values: ReadonlyMap<string, string>): Record<string, string> {
  const prefix = 'x-amz-meta-';
  const entries = [...values].filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(entries.map(([name, value]) => [name.slice(prefix.length), value]));
}

function checkedStorageClass(asked = 'STANDARD'): string {
  if (STORAGE_CLASSES.has(asked)) return asked;
  throw new S3Error(400, 'InvalidStorageClass', 'The storage class you specified is not valid', {
    StorageClassRequested: asked,
  });
}

function checkEncryption(asked: string | undefined): void {
  if (asked === undefined || ['AES256', 'aws:kms', 'aws:kms:dsse'].includes(asked)) return;
  const message = 'The encryption method specified is not supported';
  throw invalidArgument(message, 'x-amz-server-side-encryption', asked);
}
