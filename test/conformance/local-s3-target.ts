import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLocalS3 } from '../../deploy/dev/local-s3/local-s3.ts';
import { BUCKET, OWNER, REGION, type S3Target, UNLISTED_BUCKET, UPLOADER } from './s3-target.ts';

/** The strict local S3: it must answer as the table says, without exception. */
export async function startLocalS3Target(): Promise<S3Target> {
  const directory = await mkdtemp(join(tmpdir(), 'sekai-conformance-'));
  const s3 = await startLocalS3({
    directory,
    credentials: [OWNER, UPLOADER],
    region: REGION,
    buckets: [{ name: BUCKET }, { name: UNLISTED_BUCKET, listBucketAllowed: false }],
  });
  return {
    name: 'the strict local S3',
    endpoint: s3.endpoint,
    region: REGION,
    owner: OWNER,
    bucket: BUCKET,
    unlisted: { bucket: UNLISTED_BUCKET, credential: UPLOADER },
    differences: {},
    stop: async () => {
      await s3.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
