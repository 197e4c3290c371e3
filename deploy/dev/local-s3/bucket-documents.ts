import { aclDocument } from './canned-acl.ts';
import { type Answer, xmlAnswer } from './exchange.ts';
import { S3Error } from './s3-error.ts';
import type { BucketSettings } from './settings.ts';
import { element, textElement, xmlDocument } from './xml.ts';

const NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';

/** What the bucket itself says, by subresource. */
export const BUCKET_DOCUMENTS: Readonly<
  Record<string, ((bucket: BucketSettings, region: string) => Answer) | undefined>
> = {
  acl: (bucket) => xmlAnswer(aclDocument('private', bucket)),
  location: (_bucket, region) =>
    xmlAnswer(xmlDocument(element('LocationConstraint', region === 'us-east-1' ? '' : region, NAMESPACE))),
  ownershipControls: (bucket) =>
    document('OwnershipControls', element('Rule', textElement('ObjectOwnership', bucket.objectOwnership))),
  // Without a bucket policy Ceph RGW answers IsPublic=false, AWS 404 NoSuchBucketPolicy; the rule here: as RGW.
  policyStatus: (bucket) =>
    document('PolicyStatus', textElement('IsPublic', bucket.publicRead && !bucket.publicAccessBlock)),
  publicAccessBlock,
};

function publicAccessBlock(bucket: BucketSettings): Answer {
  if (!bucket.publicAccessBlock) {
    const message = 'The public access block configuration was not found';
    throw new S3Error(404, 'NoSuchPublicAccessBlockConfiguration', message, { BucketName: bucket.name });
  }
  const switches = ['BlockPublicAcls', 'IgnorePublicAcls', 'BlockPublicPolicy', 'RestrictPublicBuckets'];
  return document('PublicAccessBlockConfiguration', switches.map((name) => textElement(name, true)).join(''));
}

const document = (root: string, markup: string) => xmlAnswer(xmlDocument(element(root, markup, NAMESPACE)));
