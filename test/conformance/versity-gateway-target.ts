import { startVersityGateway } from '../_support/versity-gateway.ts';
import { s3AdminOf } from './s3-admin.ts';
import { BUCKET, OWNER, REGION, type S3Target } from './s3-target.ts';

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
    differences: {},
    stop: () => gateway.stop(),
  };
}
