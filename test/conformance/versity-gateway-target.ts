import { startVersityGateway } from '../_support/versity-gateway.ts';
import { s3AdminOf } from './s3-admin.ts';
import { BUCKET, OWNER, REGION, type S3Target } from './s3-target.ts';

const DIFFERENCES: S3Target['differences'] = {
  'an unknown access key': { answer: 'fatal/credentials', why: 'forms are answered 404 XAdminUserNotFound' },
  'a policy whose end is not in UTC': { answer: 'stored', why: 'any RFC 3339 time will do' },
  'a signature for another region': {
    answer: 'fatal/configuration',
    why: 'the right region is named in the message alone',
  },
};

/** VersityGW over a folder, with its root account: one that it lets do everything. */
export async function startVersityGatewayTarget(binary: string): Promise<S3Target> {
  const gateway = await startVersityGateway(binary, OWNER);
  try {
    await s3AdminOf(gateway.endpoint).createBucket(BUCKET);
  } catch (error) {
    await gateway.stop();
    throw error;
  }
  return {
    name: 'VersityGW',
    endpoint: gateway.endpoint,
    region: REGION,
    owner: OWNER,
    bucket: BUCKET,
    unlisted: undefined,
    differences: DIFFERENCES,
    stop: () => gateway.stop(),
  };
}
