import { startCephRgw } from '../_support/ceph-rgw.ts';
import { s3AdminOf } from './s3-admin.ts';
import { BUCKET, OWNER, REGION, type S3Target, UNLISTED_BUCKET, UPLOADER } from './s3-target.ts';

const SILENT = 'a refused signature is AccessDenied without a message, as missing permission is';

const DIFFERENCES: S3Target['differences'] = {
  'a secret that is not that of the access key': { answer: 'fatal/permission', why: SILENT },
  'an unknown access key': { answer: 'fatal/permission', why: SILENT },
  'a policy changed after it was signed': { answer: 'fatal/permission', why: SILENT },
  'a checksum that is not that of the file': {
    answer: 'stored',
    why: 'release 16 takes the checksum fields and does not look at them',
  },
  'a form without a file': {
    answer: 'fatal/OBJECT_SIZE_REFUSED',
    why: 'a missing file is taken for an empty one, which the length range refuses',
  },
  'a signature for another region': { answer: 'stored', why: 'regions are not checked' },
};

/** Ceph's gateway as Debian has it. */
export async function startCephRgwTarget(): Promise<S3Target> {
  const rgw = await startCephRgw();
  try {
    await rgw.addUser('owner', OWNER.accessKeyId, OWNER.secretAccessKey);
    await rgw.addUser('uploader', UPLOADER.accessKeyId, UPLOADER.secretAccessKey);
    const admin = s3AdminOf(rgw.endpoint);
    await admin.createBucket(BUCKET);
    await admin.createBucket(UNLISTED_BUCKET);
    await admin.putBucketPolicy(UNLISTED_BUCKET, {
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { AWS: ['arn:aws:iam:::user/uploader'] },
          Action: ['s3:PutObject', 's3:PutObjectAcl', 's3:GetObject', 's3:GetObjectAcl'],
          Resource: [`arn:aws:s3:::${UNLISTED_BUCKET}/*`],
        },
      ],
    });
  } catch (error) {
    await rgw.stop();
    throw error;
  }
  return {
    name: 'Ceph RGW',
    endpoint: rgw.endpoint,
    region: REGION,
    owner: OWNER,
    bucket: BUCKET,
    unlisted: { bucket: UNLISTED_BUCKET, credential: UPLOADER },
    differences: DIFFERENCES,
    stop: () => rgw.stop(),
  };
}
