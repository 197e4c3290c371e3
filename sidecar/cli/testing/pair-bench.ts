import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LocalS3, startLocalS3 } from '../../../deploy/dev/local-s3/local-s3.ts';
import { pairKeys } from '../../../proto/archive-event.ts';

const BUCKET = 'test-bucket';
const PREFIX = 'customers/test/';
const CREDENTIAL = { accessKeyId: 'AKIATEST', secretAccessKey: 'test-secret' };

export interface PairBench {
  readonly s3: LocalS3;
  readonly bucket: string;
  readonly prefix: string;
  /** What sekai-archive is told of it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Puts a pair into the bucket behind S3's back; returns its hash. */
  addPair(image: Uint8Array, prompt?: string): Promise<string>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A local S3 with a bucket for pairs. */
export async function startPairBench(): Promise<PairBench> {
  const directory = await mkdtemp(join(tmpdir(), 'sekai-pairs-'));
  const s3 = await startLocalS3({
    directory,
    credentials: [CREDENTIAL],
    region: 'eu-central-1',
    buckets: [{ name: BUCKET }],
  });
  return {
    s3,
    bucket: BUCKET,
    prefix: PREFIX,
    environment: {
      S3_ENDPOINT: s3.endpoint,
      S3_REGION: 'eu-central-1',
      S3_BUCKET: BUCKET,
      S3_PREFIX: PREFIX,
      AWS_ACCESS_KEY_ID: CREDENTIAL.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIAL.secretAccessKey,
    },
    async addPair(image, prompt = 'a secret prompt') {
      const hash = createHash('sha256').update(image).digest('hex');
      const keys = pairKeys(PREFIX, hash);
      const record = {
        schema_version: 1,
        request_id: '00000000-0000-4000-8000-000000000001',
        generated_at: '2026-11-22T11:22:33.000Z',
        parameters: { prompt },
        image: { hash, size_bytes: image.length, width: 640, height: 480, media_type: 'image/jpeg' },
      };
      await s3.objects.set(BUCKET, keys.image, Buffer.from(image));
      await s3.objects.set(BUCKET, keys.record, JSON.stringify(record));
      return hash;
    },
    async [Symbol.asyncDispose]() {
      await s3.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
