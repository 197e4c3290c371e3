/** Reads S3's documents about who may read. A document of another kind is never taken for an answer: Ceph answers unknown questions with a list of the bucket. */
import type { S3Answer } from './s3-answer.ts';
import { children, childText, parseXml, type XmlNode } from './xml.ts';

/** One grant of an access control list. */
export interface GrantedAccess {
  /** Whom the grant reaches beyond one account: anybody, or anybody with an AWS account. */
  readonly grantee: 'everyone' | 'any-account' | 'account' | 'other-group';
  /** `READ`, `FULL_CONTROL`, … */
  readonly permission: string;
}

/** S3 Block Public Access; all false when it has never been set. */
export interface PublicAccessBlock {
  readonly blockPublicAcls: boolean;
  readonly ignorePublicAcls: boolean;
  readonly blockPublicPolicy: boolean;
  readonly restrictPublicBuckets: boolean;
}

/** Grants of `?acl`; undefined when the answer is no access control list. */
export function readAcl(answer: S3Answer): { grants: GrantedAccess[] } | undefined {
  const policy = rootOf(answer, 'AccessControlPolicy');
  const list = children(policy, 'AccessControlList')[0];
  if (list === undefined) return undefined;
  const grants = children(list, 'Grant').map((grant): GrantedAccess => {
    const grantee = children(grant, 'Grantee')[0];
    return { grantee: granteeOf(grantee), permission: childText(grant, 'Permission') ?? 'unknown' };
  });
  return { grants };
}

/** `?policyStatus`; without a policy S3 answers 404 NoSuchBucketPolicy. */
export function readPolicyStatus(answer: S3Answer): { isPublic: boolean } | undefined {
  if (errorCodeOf(answer) === 'NoSuchBucketPolicy') return { isPublic: false };
  const isPublic = childText(rootOf(answer, 'PolicyStatus'), 'IsPublic')?.toLowerCase();
  return isPublic === 'true' || isPublic === 'false' ? { isPublic: isPublic === 'true' } : undefined;
}

/** `?publicAccessBlock`; when it has never been set S3 answers 404 NoSuchPublicAccessBlockConfiguration. */
export function readPublicAccessBlock(answer: S3Answer): PublicAccessBlock | undefined {
  const unset = errorCodeOf(answer) === 'NoSuchPublicAccessBlockConfiguration';
  const node = rootOf(answer, 'PublicAccessBlockConfiguration');
  if (node === undefined && !unset) return undefined;
  const flag = (name: string): boolean => childText(node, name)?.toLowerCase() === 'true';
  return {
    blockPublicAcls: flag('BlockPublicAcls'),
    ignorePublicAcls: flag('IgnorePublicAcls'),
    blockPublicPolicy: flag('BlockPublicPolicy'),
    restrictPublicBuckets: flag('RestrictPublicBuckets'),
  };
}

function granteeOf(grantee: XmlNode | undefined): GrantedAccess['grantee'] {
  const uri = childText(grantee, 'URI');
  if (uri === undefined) return 'account';
  if (uri.endsWith('/groups/global/AllUsers')) return 'everyone';
  return uri.endsWith('/groups/global/AuthenticatedUsers') ? 'any-account' : 'other-group';
}

function rootOf({ status, text }: S3Answer, root: string): XmlNode | undefined {
  const document = status === 200 ? parseXml(text) : undefined;
  return document?.root === root ? document.node : undefined;
}

function errorCodeOf({ status, text }: S3Answer): string | undefined {
  const document = status === 404 ? parseXml(text) : undefined;
  return document?.root === 'Error' ? childText(document.node, 'Code') : undefined;
}
