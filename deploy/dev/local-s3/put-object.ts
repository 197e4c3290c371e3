import { createHash } from 'node:crypto';
import { checkContent, claimedChecksums } from './content-check.ts';
import type { Answer, Exchange, Site } from './exchange.ts';
import { describeObject } from './object-description.ts';
import { checkKey } from './object-key.ts';
import { notImplemented, S3Error } from './s3-error.ts';
import type { BucketSettings } from './settings.ts';

/** PUT Object, so that other S3 clients can fill a bucket. `payloadHash` is what was signed. */
export async function putObject(
  exchange: Exchange,
  site: Site,
  bucket: BucketSettings,
  key: string,
  payloadHash: string,
): Promise<Answer> {
  const { request, body, now } = exchange;
  if (payloadHash.startsWith('STREAMING-')) throw notImplemented('x-amz-content-sha256');
  if (request.headers['content-length'] === undefined) {
    throw new S3Error(411, 'MissingContentLength', 'You must provide the Content-Length HTTP header.');
  }
  const onlyIfAbsent = isCreateOnly(request.headers['if-none-match']);
  const description = describeObject(headerValues(request.headersDistinct), 'x-amz-acl', bucket);
  checkKey(key);
  const staged = await site.files.stage(claimedChecksums(description.claims));
  try {
    const sha256 = createHash('sha256');
    for await (const chunk of body) {
      sha256.update(chunk);
      await staged.write(chunk);
    }
    checkPayloadHash(payloadHash, sha256.digest('hex'));
    const digests = staged.digests();
    checkContent(description.claims, digests);
    const metadata = { ...description.metadata, etag: digests.md5, lastModified: now.toISOString() };
    if (!(await staged.commit(bucket.name, key, metadata, { onlyIfAbsent }))) throw alreadyThere();
    return { status: 200, headers: { etag: `"${digests.md5}"` }, body: '' };
  } finally {
    await staged.discard();
  }
}

function isCreateOnly(condition: string | undefined): boolean {
  if (condition !== undefined && condition !== '*') throw notImplemented('If-None-Match');
  return condition === '*';
}

function headerValues(headers: Readonly<Record<string, readonly string[] | undefined>>): Map<string, string> {
  const entries = Object.entries(headers).map(([name, values]) => [name, (values ?? []).join(',')] as const);
  return new Map(entries);
}

function checkPayloadHash(signed: string, computed: string): void {
  if (signed === 'UNSIGNED-PAYLOAD' || signed === computed) return;
  const message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
  throw new S3Error(400, 'XAmzContentSHA256Mismatch', message, {
    ClientComputedContentSHA256: signed,
    S3ComputedContentSHA256: computed,
  });
}

function alreadyThere(): S3Error {
  const message = 'At least one of the pre-conditions you specified did not hold';
  return new S3Error(412, 'PreconditionFailed', message, { Condition: 'If-None-Match' });
}
