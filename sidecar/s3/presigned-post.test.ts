import { S3Client } from '@aws-sdk/client-s3';
import { createPresignedPost } from '@aws-sdk/s3-presigned-post';
import { expect, it } from 'vitest';
import { type PostSpec, presignPost, signPolicy } from './presigned-post.ts';

const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const temporary = { ...credentials, sessionToken: 'FQoDYXdzEXAMPLETOKEN==' };
const now = new Date('2026-01-02T03:04:05Z');
const key =
  'customers/sekai/background-image-gen/output-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.jpg';
const spec: PostSpec = {
  bucket: 'customers-sekai-background-image-gen',
  key,
  region: 'ap-northeast-1',
  contentType: 'image/jpeg',
  sizeBytes: 1234,
  acl: 'private',
};

/** The policy printed in AWS's "Example: Browser-Based Upload using HTTP POST", with its CRLF line ends. */
const AWS_EXAMPLE_POLICY =
  'eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1' +
  'Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8i' +
  'XSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDov' +
  'L3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0' +
  'YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUx' +
  'MjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFy' +
  'dHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZP' +
  'RE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGht' +
  'IjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9';

/** Made with botocore's generate_presigned_post. */
const BOTOCORE_POLICY =
  '{"expiration": "2015-12-29T01:00:00Z", "conditions": [{"bucket": "sigv4examplebucket"}, {"key": "user/user1/photo.jpg"}, {"x-amz-algorithm": "AWS4-HMAC-SHA256"}, {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"}, {"x-amz-date": "20151229T000000Z"}]}';

const PROJECT_POLICY =
  '{"expiration":"2026-01-02T03:14:05.000Z","conditions":[{"bucket":"customers-sekai-background-image-gen"},{"key":"customers/sekai/background-image-gen/output-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.jpg"},{"acl":"private"},{"Content-Type":"image/jpeg"},{"success_action_status":"201"},{"x-amz-algorithm":"AWS4-HMAC-SHA256"},{"x-amz-credential":"AKIAIOSFODNN7EXAMPLE/20260102/ap-northeast-1/s3/aws4_request"},{"x-amz-date":"20260102T030405Z"},{"x-amz-security-token":"FQoDYXdzEXAMPLETOKEN=="},["content-length-range",1234,1234]]}';

function fieldsOf(post: ReturnType<typeof presignPost>): Record<string, string> {
  return Object.fromEntries(post.fields);
}

function policyOf(post: ReturnType<typeof presignPost>): { expiration: string; conditions: unknown[] } {
  return JSON.parse(Buffer.from(fieldsOf(post)['policy'] ?? '', 'base64').toString()) as never;
}

it('signs the official AWS example', () => {
  const signature = signPolicy(
    AWS_EXAMPLE_POLICY,
    credentials.secretAccessKey,
    new Date('2015-12-29T00:00:00Z'),
    'us-east-1',
  );
  expect(signature).toBe('8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e');
});

it('signs a policy made by botocore', () => {
  const policy = Buffer.from(BOTOCORE_POLICY).toString('base64');
  const date = new Date('2015-12-29T00:00:00Z');
  expect(signPolicy(policy, credentials.secretAccessKey, date, 'us-east-1')).toBe(
    '3364624b39010d9b06f5d9b8c9a18a6e478d261c048159c92f2fd6fa885f14e6',
  );
});

it('serialises and signs the project-shaped policy byte for byte', () => {
  const post = presignPost(spec, temporary, now);
  const fields = fieldsOf(post);
  expect(Buffer.from(fields['policy'] ?? '', 'base64').toString()).toBe(PROJECT_POLICY);
  expect(fields['policy']).toHaveLength(736);
  expect(fields['x-amz-signature']).toBe('a4627ff9d13b9353bbb431103e947e3591e74461b05c85a3d288bad28c547d80');
  expect(post.expiresAt).toEqual(new Date('2026-01-02T03:14:05Z'));
});

it.each([
  ['static', credentials],
  ['temporary', temporary],
])('agrees with the AWS SDK on the signature of its policy with %s credentials', async (_, keys) => {
  const client = new S3Client({ region: 'eu-central-1', credentials: keys });
  const oracle = await createPresignedPost(client, {
    Bucket: spec.bucket,
    Key: spec.key,
    Expires: 600,
    Fields: { acl: 'private', 'Content-Type': 'image/jpeg' },
    Conditions: [['content-length-range', 1, 2]],
  });
  client.destroy();
  const date = oracle.fields['X-Amz-Date'] ?? '';
  const signedAt = new Date(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  const policy = oracle.fields['Policy'] ?? '';
  expect(signPolicy(policy, keys.secretAccessKey, signedAt, 'eu-central-1')).toBe(
    oracle.fields['X-Amz-Signature'],
  );
});

it('covers every field by a condition and sends every field that has one', () => {
  const sha256 = new Uint8Array(32).fill(7);
  const metadata = { 'request-id': '4f6a3f0e-8a55-4b4e-9a35-6f7b3a1c2d3e', sha256: 'ab' };
  const post = presignPost({ ...spec, sha256, metadata }, temporary, now);
  const sent = post.fields.filter(([name]) => name !== 'policy' && name !== 'x-amz-signature');
  expect(policyOf(post).conditions).toEqual([
    { bucket: spec.bucket },
    ...sent.map(([name, value]) => ({ [name]: value })),
    ['content-length-range', 1234, 1234],
  ]);
  expect(fieldsOf(post)).toMatchObject({
    'x-amz-checksum-algorithm': 'SHA256',
    'x-amz-checksum-sha256': 'BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=',
    'x-amz-meta-request-id': metadata['request-id'],
    'x-amz-meta-sha256': 'ab',
    'x-amz-security-token': temporary.sessionToken,
  });
});

it('leaves the ACL out when none is asked for', () => {
  const { acl: _, ...withoutAcl } = spec;
  expect(fieldsOf(presignPost(withoutAcl, credentials, now))).not.toHaveProperty('acl');
});

it('never outlives the credentials or an hour', () => {
  const expiresAt = new Date('2026-01-02T03:05:00Z');
  expect(policyOf(presignPost(spec, { ...temporary, expiresAt }, now)).expiration).toBe(
    '2026-01-02T03:05:00.000Z',
  );
  const long = presignPost({ ...spec, lifetimeSeconds: 86_400 }, credentials, now);
  expect(long.expiresAt).toEqual(new Date('2026-01-02T04:04:05Z'));
});

it.each<[string, Partial<PostSpec>]>([
  ['a key with "$"', { key: 'a/$$b' }],
  ['a key with a line break', { key: 'a\nb' }],
  ['an empty key', { key: '' }],
  ['a bucket in upper case', { bucket: 'Bucket' }],
  ['a negative size', { sizeBytes: -1 }],
  ['a fractional size', { sizeBytes: 1.5 }],
  ['a short hash', { sha256: new Uint8Array(31) }],
  ['a metadata name in upper case', { metadata: { Name: 'x' } }],
  ['a metadata value with a line break', { metadata: { name: 'a\r\nb' } }],
  ['a metadata value that S3 would expand', { metadata: { name: '${filename}' } }],
  ['a metadata value outside ASCII', { metadata: { name: 'é' } }],
])('refuses %s', (_, change) => {
  expect(() => presignPost({ ...spec, ...change }, credentials, now)).toThrow(RangeError);
});

it('keeps a bad session token out of the error', () => {
  const broken = { ...credentials, sessionToken: 'SECRET\nTOKEN' };
  expect(() => presignPost(spec, broken, now)).toThrow(/^form field x-amz-security-token (?!.*SECRET)/s);
});
