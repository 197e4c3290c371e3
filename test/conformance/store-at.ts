import { createHash, randomBytes } from 'node:crypto';
import type { S3Credential } from '../../deploy/dev/local-s3/settings.ts';
import { createLogger } from '../../services/runtime/logger.ts';
import type { StoredObject } from '../../sidecar/object-store.ts';
import { staticProvider } from '../../sidecar/s3/credentials/credential-provider.ts';
import { createS3ObjectStore, type S3ObjectStore } from '../../sidecar/s3/s3-object-store.ts';
import type { S3Target } from './s3-target.ts';

export const PREFIX = 'customers/conformance/';

export interface StoreAtOptions {
  readonly bucket?: string;
  readonly credential?: S3Credential;
  readonly region?: string;
  readonly nowMs?: () => number;
}

/** Our adapter over a target; `close(0)` it. */
export function storeAt(target: S3Target, options: StoreAtOptions = {}): S3ObjectStore {
  return createS3ObjectStore({
    config: {
      endpoint: new URL(target.endpoint),
      region: options.region ?? target.region,
      bucket: options.bucket ?? target.bucket,
      prefix: PREFIX,
      objectAcl: 'private',
      checksum: 'sha256',
      addressing: 'path',
    },
    credentials: staticProvider(options.credential ?? target.owner),
    logger: createLogger('conformance', 'silent'),
    maxAttempts: 2,
    pauses: { baseMs: 1, throttledBaseMs: 1 },
    ...(options.nowMs === undefined ? {} : { nowMs: options.nowMs }),
  });
}

/** What our programs are told of a target. */
export function environmentOf(target: S3Target): Record<string, string> {
  return {
    S3_ENDPOINT: target.endpoint,
    S3_REGION: target.region,
    S3_BUCKET: target.bucket,
    S3_PREFIX: PREFIX,
    AWS_ACCESS_KEY_ID: target.owner.accessKeyId,
    AWS_SECRET_ACCESS_KEY: target.owner.secretAccessKey,
  };
}

/** An object of random bytes under a key of its own. */
export function randomObject(sizeBytes = 70_000): StoredObject {
  const body = randomBytes(sizeBytes);
  const sha256 = createHash('sha256').update(body).digest();
  const key = `${PREFIX}objects/${sha256.toString('hex')}.jpg`;
  return { key, body, sha256, contentType: 'image/jpeg', metadata: { 'request-id': 'conformance' } };
}
