import { afterEach, describe, expect, test } from 'vitest';
import { CONTENT, CONTENT_MD5, judgedUpload, PLAN } from './_support/judged-upload.ts';
import { BUCKET, NOW, REGION, runningS3 } from './_support/running-s3.ts';
import { EXAMPLE_CREDENTIAL, type FormPlan, sendForm, signForm } from './_support/signed-form.ts';
import { V1_POLICY_BASE64, V2_POLICY, V3_KEY, V3_POLICY } from './_support/test-vectors.ts';

const tests = runningS3();
afterEach(() => tests.cleanUp());

const upload = (plan: Partial<FormPlan>) => judgedUpload(tests, plan);

describe('known signatures', () => {
  test('the form of the official AWS example is accepted and redirected', async () => {
    const now = new Date('2015-12-29T00:00:00Z');
    const bucket = 'sigv4examplebucket';
    const s3 = await tests.start({ clock: () => now, region: 'us-east-1', buckets: [{ name: bucket }] });
    const redirect = 'http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html';
    const fields = {
      key: 'user/user1/${filename}',
      acl: 'public-read',
      success_action_redirect: redirect,
      'Content-Type': 'image/jpeg',
      'x-amz-meta-uuid': '14365123651274',
      'x-amz-server-side-encryption': 'AES256',
      'X-Amz-Credential': 'AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request',
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Date': '20151229T000000Z',
      'x-amz-meta-tag': '',
      Policy: V1_POLICY_BASE64,
      'X-Amz-Signature': '8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e',
    };
    const answer = await sendForm(`${s3.endpoint}/${bucket}`, Object.entries(fields), {
      content: CONTENT,
      filename: 'sunflower.jpg',
    });
    expect(answer).toMatchObject({
      status: 303,
      headers: {
        location: `${redirect}?bucket=${bucket}&key=user%2Fuser1%2Fsunflower.jpg&etag=%22${CONTENT_MD5.toString('hex')}%22`,
      },
    });
    expect(await s3.objects.get(bucket, 'user/user1/sunflower.jpg')).toMatchObject({ acl: 'public-read' });
  });

  test("botocore's form is accepted", async () => {
    const now = new Date('2015-12-29T00:00:00Z');
    const bucket = 'sigv4examplebucket';
    const s3 = await tests.start({ clock: () => now, region: 'us-east-1', buckets: [{ name: bucket }] });
    const fields = {
      key: 'user/user1/photo.jpg',
      'x-amz-algorithm': 'AWS4-HMAC-SHA256',
      'x-amz-credential': 'AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request',
      'x-amz-date': '20151229T000000Z',
      policy: Buffer.from(V2_POLICY).toString('base64'),
      'x-amz-signature': '3364624b39010d9b06f5d9b8c9a18a6e478d261c048159c92f2fd6fa885f14e6',
    };
    const answer = await sendForm(`${s3.endpoint}/${bucket}`, Object.entries(fields), { content: CONTENT });
    expect(answer.status).toBe(204);
  });

  test("a form of this project's shape, with a session token, is accepted for exactly its size", async () => {
    const bucket = 'customers-sekai-background-image-gen';
    const sessionToken = 'FQoDYXdzEXAMPLETOKEN==';
    const credentials = [{ ...EXAMPLE_CREDENTIAL, sessionToken }];
    const s3 = await tests.start({ clock: () => NOW, credentials, buckets: [{ name: bucket }] });
    const fields = {
      key: V3_KEY,
      acl: 'private',
      'Content-Type': 'image/jpeg',
      success_action_status: '201',
      'x-amz-algorithm': 'AWS4-HMAC-SHA256',
      'x-amz-credential': `AKIAIOSFODNN7EXAMPLE/20260102/${REGION}/s3/aws4_request`,
      'x-amz-date': '20260102T030405Z',
      'x-amz-security-token': sessionToken,
      policy: Buffer.from(V3_POLICY).toString('base64'),
      'x-amz-signature': 'a4627ff9d13b9353bbb431103e947e3591e74461b05c85a3d288bad28c547d80',
    };
    const send = (bytes: number) =>
      sendForm(`${s3.endpoint}/${bucket}`, Object.entries(fields), { content: Buffer.alloc(bytes) });
    expect((await send(1234)).tag('Key')).toBe(V3_KEY);
    expect((await send(1233)).tag('Code')).toBe('EntityTooSmall');
    expect((await send(1235)).tag('Code')).toBe('EntityTooLarge');
  });
});

describe('who sent it', () => {
  test('must be said: an anonymous form is refused, with a policy too', async () => {
    const signature = {
      'x-amz-algorithm': undefined,
      'x-amz-credential': undefined,
      'x-amz-date': undefined,
      'x-amz-signature': undefined,
    };
    for (const tampered of [signature, { ...signature, policy: undefined }]) {
      const { error, s3 } = await upload({ tampered });
      expect(error).toBe('403 AccessDenied');
      expect(s3.requests[0]?.anonymous).toBe(true);
    }
  });

  test('is proved over the text of the policy, before it is read', async () => {
    const { error, answer, s3 } = await upload({ tampered: { policy: '{}' } });
    expect(error).toBe('403 SignatureDoesNotMatch');
    expect(answer.tag('StringToSign')).toBe('{}');
    expect(answer.tag('StringToSignBytes')).toBe('7b 7d');
    expect(await s3.objects.keys(BUCKET)).toEqual([]);
  });

  test.each<[string, Partial<FormPlan>, string, string]>([
    [
      'another secret',
      { credential: { ...EXAMPLE_CREDENTIAL, secretAccessKey: 'x' } },
      '403 SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
    ],
    [
      'an unknown key id',
      { credential: { accessKeyId: 'AKIAUNKNOWN', secretAccessKey: 'x' } },
      '403 InvalidAccessKeyId',
      'The AWS Access Key Id you provided does not exist in our records.',
    ],
    [
      'another region',
      { region: 'us-east-1' },
      '400 InvalidArgument',
      "the region 'us-east-1' is wrong; expecting 'ap-northeast-1'",
    ],
    [
      'a token that nobody gave out',
      { credential: { ...EXAMPLE_CREDENTIAL, sessionToken: 't' } },
      '400 InvalidToken',
      'The provided token is malformed or otherwise invalid.',
    ],
    [
      'another algorithm',
      { tampered: { 'x-amz-algorithm': 'AWS4-HMAC-SHA1' } },
      '400 InvalidArgument',
      'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"',
    ],
    [
      'a date in another form',
      { tampered: { 'x-amz-date': '2026-01-02' } },
      '400 InvalidArgument',
      'X-Amz-Date must be formated via ISO8601 Long format',
    ],
    [
      'half a credential',
      { tampered: { 'x-amz-credential': 'AKIAIOSFODNN7EXAMPLE' } },
      '400 InvalidArgument',
      'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    ],
    [
      'signature version 2',
      { uncovered: { AWSAccessKeyId: 'x' } },
      '400 InvalidRequest',
      'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
    ],
  ])('is refused with %s', async (_name, plan, expected, text) => {
    const { error, message } = await upload(plan);
    expect([error, message]).toEqual([expected, text]);
  });

  test('with a wrong region names the right one', async () => {
    expect((await upload({ region: 'us-east-1' })).answer.tag('Region')).toBe(REGION);
  });

  test('needs the session token of a temporary credential, valid and covered', async () => {
    const temporary = { ...EXAMPLE_CREDENTIAL, sessionToken: 'token' };
    const expiration = new Date(NOW.getTime() + 1000);
    let now = NOW;
    const s3 = await tests.start({ clock: () => now, credentials: [{ ...temporary, expiration }] });
    const send = async (plan: Partial<FormPlan>) => {
      const answer = await sendForm(`${s3.endpoint}/${BUCKET}`, signForm({ ...PLAN, ...plan }), {
        content: CONTENT,
      });
      return answer.tag('Code') ?? answer.status;
    };
    expect(await send({ credential: temporary })).toBe(204);
    expect(await send({})).toBe('InvalidAccessKeyId');
    expect(await send({ credential: { ...temporary, sessionToken: 'other' } })).toBe('InvalidToken');
    expect(await send({ uncovered: { 'x-amz-security-token': 'token' } })).toBe('AccessDenied');
    now = expiration;
    expect(await send({ credential: temporary })).toBe('ExpiredToken');
  });
});
