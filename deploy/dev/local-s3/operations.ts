import { BUCKET_DOCUMENTS } from './bucket-documents.ts';
import type { Answer, Exchange, Site } from './exchange.ts';
import { sufferFault } from './fault-effects.ts';
import { LIST_PARAMETERS, listObjects } from './list-objects.ts';
import { postObject } from './post-object.ts';
import { putObject } from './put-object.ts';
import { readObject, readObjectAcl, RESPONSE_OVERRIDES } from './read-object.ts';
import { authenticateRequest } from './request-authentication.ts';
import { accessDenied, notImplemented, S3Error } from './s3-error.ts';
import type { BucketSettings } from './settings.ts';

/** Parameters that belong to the signature, or that the SDK adds for its own statistics. */
const isNeutral = (name: string) => /^x-amz-/i.test(name) || name === 'x-id';

/** Carries out one request. @throws {S3Error} */
export async function operate(exchange: Exchange, site: Site): Promise<Answer> {
  const { request, target } = exchange;
  if (request.method === 'POST' && target.key === undefined && exchange.target.query.length === 0) {
    return postObject(exchange, site, bucketOf(exchange, site));
  }
  await sufferFault(exchange, site);
  const bucket = bucketOf(exchange, site);
  const { region, credentials } = site;
  const principal = authenticateRequest(request, target, { region, credentials, now: exchange.now });
  exchange.trace.anonymous = principal.anonymous;
  return target.key === undefined
    ? operateOnBucket(exchange, site, bucket)
    : operateOnObject(exchange, site, bucket, target.key, principal.payloadHash);
}

function bucketOf({ target }: Exchange, site: Site): BucketSettings {
  if (target.bucket === undefined) throw notImplemented('ListBuckets');
  const bucket = site.buckets.get(target.bucket);
  if (bucket !== undefined) return bucket;
  throw new S3Error(404, 'NoSuchBucket', 'The specified bucket does not exist', {
    BucketName: target.bucket,
  });
}

async function operateOnBucket(exchange: Exchange, site: Site, bucket: BucketSettings): Promise<Answer> {
  const { method } = exchange.request;
  if (method === 'POST' || method === 'PUT' || method === 'DELETE') throw notImplemented(`${method} Bucket`);
  if (method !== 'GET' && method !== 'HEAD') throw methodNotAllowed(method, 'BUCKET');
  if (exchange.trace.anonymous) throw accessDenied();
  if (method === 'HEAD') {
    rejectSubresources(exchange, []);
    if (!bucket.listBucketAllowed) throw accessDenied();
    return { status: 200, headers: { 'x-amz-bucket-region': site.region } };
  }
  const [subresource] = subresources(exchange, LIST_PARAMETERS);
  const document = subresource === undefined ? undefined : BUCKET_DOCUMENTS[subresource];
  if (subresource !== undefined && document !== undefined) {
    rejectSubresources(exchange, [subresource]);
    return document(bucket, site.region);
  }
  rejectSubresources(exchange, LIST_PARAMETERS);
  if (!exchange.target.query.some(([name, value]) => name === 'list-type' && value === '2')) {
    throw notImplemented('ListObjects version 1');
  }
  if (!bucket.listBucketAllowed) throw accessDenied();
  return listObjects(exchange, site, bucket);
}

async function operateOnObject(
  exchange: Exchange,
  site: Site,
  bucket: BucketSettings,
  key: string,
  payloadHash: string,
): Promise<Answer> {
  const { method } = exchange.request;
  switch (method ?? '') {
    case 'GET':
      if (subresources(exchange, RESPONSE_OVERRIDES).includes('acl')) {
        rejectSubresources(exchange, ['acl']);
        return readObjectAcl(exchange, site, bucket, key);
      }
      rejectSubresources(exchange, RESPONSE_OVERRIDES);
      return readObject(exchange, site, bucket, key);
    case 'HEAD':
      rejectSubresources(exchange, RESPONSE_OVERRIDES);
      return readObject(exchange, site, bucket, key);
    case 'PUT':
      if (exchange.trace.anonymous) throw accessDenied();
      rejectSubresources(exchange, []);
      return putObject(exchange, site, bucket, key, payloadHash);
    case 'DELETE':
      if (exchange.trace.anonymous) throw accessDenied();
      rejectSubresources(exchange, []);
      await site.files.remove(bucket.name, key);
      return { status: 204 };
    default:
      rejectSubresources(exchange, []);
      throw methodNotAllowed(method, 'OBJECT');
  }
}

const subresources = ({ target }: Exchange, expected: readonly string[]) =>
  target.query.map(([name]) => name).filter((name) => !isNeutral(name) && !expected.includes(name));

/** What is not known must not look like something else: RGW answers an unknown subresource with a listing. */
function rejectSubresources(exchange: Exchange, expected: readonly string[]): void {
  const [unknown] = subresources(exchange, expected);
  if (unknown !== undefined) throw notImplemented(unknown);
}

function methodNotAllowed(method: string | undefined, resourceType: 'BUCKET' | 'OBJECT'): S3Error {
  return new S3Error(
    405,
    'MethodNotAllowed',
    'The specified method is not allowed against this resource.',
    { Method: method ?? '', ResourceType: resourceType },
    { allow: resourceType === 'OBJECT' ? 'GET, HEAD, PUT, DELETE' : 'GET, HEAD, POST' },
  );
}
