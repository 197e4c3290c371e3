import { accessDenied, invalidArgument, S3Error } from './s3-error.ts';
import type { BucketSettings } from './settings.ts';
import { element, textElement, xmlDocument } from './xml.ts';

const CANNED_ACLS = [
  'private',
  'public-read',
  'public-read-write',
  'aws-exec-read',
  'authenticated-read',
  'bucket-owner-read',
  'bucket-owner-full-control',
] as const;

export type CannedAcl = (typeof CANNED_ACLS)[number];

/** Everything here belongs to one account. */
export const OWNER_ID = '75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a';

const NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
const SCHEMA_INSTANCE = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';
const GROUPS = 'http://acs.amazonaws.com/groups/global';

/**
 * The ACL an upload asks for, if the bucket takes it.
 * @throws {S3Error} InvalidArgument, AccessControlListNotSupported, AccessDenied
 */
export function acceptedAcl(asked: string | undefined, bucket: BucketSettings): CannedAcl {
  const acl = CANNED_ACLS.find((name) => name === (asked ?? 'private'));
  if (acl === undefined) throw invalidArgument('Invalid ACL', 'x-amz-acl', asked ?? '');
  if (bucket.objectOwnership === 'BucketOwnerEnforced') {
    if (asked !== undefined && acl !== 'bucket-owner-full-control') {
      throw new S3Error(400, 'AccessControlListNotSupported', 'The bucket does not allow ACLs');
    }
    return acl;
  }
  if (bucket.publicAccessBlock && acl.startsWith('public-')) {
    throw accessDenied('public ACLs are blocked by the BlockPublicAcls setting of this bucket');
  }
  return acl;
}

/** Whether somebody without credentials may read an object with this ACL. */
export function anonymousMayRead(acl: CannedAcl | undefined, bucket: BucketSettings): boolean {
  if (bucket.publicAccessBlock) return false;
  if (bucket.publicRead) return true;
  return bucket.objectOwnership === 'ObjectWriter' && (acl === 'public-read' || acl === 'public-read-write');
}

/** The AccessControlPolicy document; under BucketOwnerEnforced always full control for the owner alone. */
export function aclDocument(acl: CannedAcl, bucket: BucketSettings): string {
  const owner = textElement('ID', OWNER_ID);
  const grants = [grant('CanonicalUser', owner, 'FULL_CONTROL')];
  const toGroup = (group: string, permission: string) =>
    grants.push(grant('Group', textElement('URI', `${GROUPS}/${group}`), permission));
  if (bucket.objectOwnership === 'ObjectWriter') {
    if (acl === 'public-read' || acl === 'public-read-write') toGroup('AllUsers', 'READ');
    if (acl === 'public-read-write') toGroup('AllUsers', 'WRITE');
    if (acl === 'authenticated-read') toGroup('AuthenticatedUsers', 'READ');
  }
  const list = element('AccessControlList', grants.join(''));
  return xmlDocument(element('AccessControlPolicy', element('Owner', owner) + list, NAMESPACE));
}

function grant(type: string, grantee: string, permission: string): string {
  const who = element('Grantee', grantee, `${SCHEMA_INSTANCE} xsi:type="${type}"`);
  return element('Grant', who + textElement('Permission', permission));
}
