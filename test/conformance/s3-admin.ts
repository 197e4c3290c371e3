import { AwsClient } from 'aws4fetch';
import { OWNER, REGION } from './s3-target.ts';

/** What an administrator does to a store before the suite can be run, by a client that is not ours. */
export function s3AdminOf(endpoint: string) {
  const client = new AwsClient({ ...OWNER, service: 's3', region: REGION, retries: 0 });
  const put = async (path: string, body?: string): Promise<void> => {
    const answer = await client.fetch(`${endpoint}/${path}`, { method: 'PUT', body: body ?? null });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`PUT ${path}: ${answer.status} ${text}`);
  };
  return {
    createBucket: (bucket: string) => put(bucket),
    putBucketPolicy: (bucket: string, policy: object) => put(`${bucket}?policy`, JSON.stringify(policy)),
  };
}
