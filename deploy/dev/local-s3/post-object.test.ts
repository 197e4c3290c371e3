import { createHash } from 'node:crypto';
import { request } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import { CONTENT, CONTENT_MD5, judgedUpload, PLAN } from './_support/judged-upload.ts';
import { BUCKET, NOW, REGION, runningS3 } from './_support/running-s3.ts';
import {
  EXAMPLE_CREDENTIAL,
  type FilePart,
  type FormPlan,
  sendForm,
  signForm,
} from './_support/signed-form.ts';

const tests = runningS3();
afterEach(() => tests.cleanUp());

const SHA256 = createHash('sha256').update(CONTENT).digest('base64');
const upload = (plan: Partial<FormPlan>, file?: FilePart, bucket?: object) =>
  judgedUpload(tests, plan, file, bucket);

describe('a good form', () => {
  test('is answered with 204, ETag and Location, and stored as a plain file', async () => {
    const { s3, answer } = await upload({
      fields: { 'Content-Type': 'image/jpeg', 'x-amz-meta-Request-ID': '7' },
    });
    expect(answer).toMatchObject({
      status: 204,
      text: '',
      headers: {
        etag: `"${CONTENT_MD5.toString('hex')}"`,
        location: `${s3.endpoint}/${BUCKET}/folder%2Fobject.bin`,
      },
    });
    expect(await s3.objects.get(BUCKET, 'folder/object.bin')).toMatchObject({
      body: Buffer.from(CONTENT),
      headers: { 'content-type': 'image/jpeg' },
      userMetadata: { 'request-id': '7' },
      acl: 'private',
      lastModified: NOW.toISOString(),
    });
    expect(s3.requests).toMatchObject([
      { method: 'POST', bucket: BUCKET, key: 'folder/object.bin', status: 204, anonymous: false, time: NOW },
    ]);
  });

  test('may ask for 200, or for 201 with a document', async () => {
    const plain = await upload({ fields: { success_action_status: '200' } });
    expect(plain.answer).toMatchObject({ status: 200, text: '' });
    const { answer, s3 } = await upload({ fields: { success_action_status: '201', key: 'a/<&>.txt' } });
    expect(answer.text).toBe(
      `<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse><Location>${s3.endpoint}/${BUCKET}/a%2F%3C%26%3E.txt</Location>` +
        `<Bucket>${BUCKET}</Bucket><Key>a/&lt;&amp;&gt;.txt</Key><ETag>"${CONTENT_MD5.toString('hex')}"</ETag></PostResponse>`,
    );
    expect((await upload({ fields: { success_action_status: '418' } })).answer.status).toBe(204);
  });

  test('without a type makes a binary/octet-stream, whatever the file part says', async () => {
    const { s3 } = await upload({}, { content: CONTENT, filename: 'a.png' });
    expect((await s3.objects.get(BUCKET, 'folder/object.bin'))?.headers).toEqual({
      'content-type': 'binary/octet-stream',
    });
  });

  test('may take its key from the file name', async () => {
    const policy = {
      expiration: new Date(NOW.getTime() + 1000),
      conditions: [{ bucket: BUCKET }, ['starts-with', '$key', 'in/'], ...SIGNATURE_CONDITIONS],
    };
    const { s3 } = await upload(
      { fields: { key: 'in/${filename}' }, policy },
      { content: CONTENT, filename: 'dir/name.txt' },
    );
    expect(await s3.objects.keys(BUCKET)).toEqual(['in/name.txt']);
  });
});

const SIGNATURE_CONDITIONS = [
  { 'x-amz-algorithm': 'AWS4-HMAC-SHA256' },
  { 'x-amz-credential': `${EXAMPLE_CREDENTIAL.accessKeyId}/20260102/${REGION}/s3/aws4_request` },
  { 'x-amz-date': '20260102T030405Z' },
];

describe('the form itself', () => {
  test.each(['text/html', 'application/json', 'multipart/mixed; boundary=x'])(
    'of type %s is refused with 412',
    async (type) => {
      const s3 = await tests.start();
      const answer = await request(`${s3.endpoint}/${BUCKET}`, {
        method: 'POST',
        headers: { 'content-type': type },
        body: 'x',
      });
      expect(answer.statusCode).toBe(412);
      expect(await answer.body.text()).toContain(
        '<Condition>Bucket POST must be of the enclosure-type multipart/form-data</Condition>',
      );
    },
  );

  test('without Content-Length is refused with 411', async () => {
    const s3 = await tests.start();
    const answer = await fetch(`${s3.endpoint}/${BUCKET}`, {
      method: 'POST',
      body: new ReadableStream({
        start(controller) {
          controller.enqueue(Buffer.from('x'));
          controller.close();
        },
      }),
      duplex: 'half',
    });
    expect(answer.status).toBe(411);
    expect(await answer.text()).toContain('<Code>MissingContentLength</Code>');
  });

  test.each(['key', 'x-amz-algorithm', 'x-amz-credential', 'x-amz-date', 'x-amz-signature', 'policy'])(
    'without the field %s is told so',
    async (name) => {
      const { error, answer, message } = await upload({ tampered: { [name]: undefined } });
      const named = name.replace(
        /(^|-)([axscd])/g,
        (_all, dash: string, letter: string) => dash + letter.toUpperCase(),
      );
      const shown = name.startsWith('x-') ? named : name;
      expect(error).toBe('400 InvalidArgument');
      expect(answer.tag('ArgumentName')).toBe(shown);
      expect(message).toBe(
        `Bucket POST must contain a field named '${shown}'.  If it is specified, please check the order of the fields.`,
      );
    },
  );

  test('with a field after the file is told the field is missing', async () => {
    const fields = signForm(PLAN);
    const s3 = await tests.start({ clock: () => NOW });
    const [first, ...rest] = fields;
    const after = first === undefined ? [] : [first];
    const answer = await sendForm(`${s3.endpoint}/${BUCKET}`, rest, { content: CONTENT, after });
    expect(answer.tag('Message')).toContain("a field named 'key'");
  });

  test('without a file is refused', async () => {
    const s3 = await tests.start({ clock: () => NOW });
    const answer = await sendForm(`${s3.endpoint}/${BUCKET}`, signForm(PLAN), undefined);
    expect(answer.tag('Message')).toBe('POST requires exactly one file upload per request.');
  });

  test('with more than 20,480 bytes before the file is refused', async () => {
    const { error, answer } = await upload({ fields: { 'x-amz-meta-long': 'x'.repeat(20_480) } });
    expect(error).toBe('400 MaxPostPreDataLengthExceeded');
    expect(answer.tag('MaxPostPreDataLengthBytes')).toBe('20480');
  });

  test('sent to a key instead of the bucket is refused with 405', async () => {
    const s3 = await tests.start({ clock: () => NOW });
    const answer = await sendForm(`${s3.endpoint}/${BUCKET}/key`, signForm(PLAN), { content: CONTENT });
    expect([answer.status, answer.tag('Code')]).toEqual([405, 'MethodNotAllowed']);
  });

  test('with an Authorization header is refused', async () => {
    const s3 = await tests.start({ clock: () => NOW });
    const answer = await request(`${s3.endpoint}/${BUCKET}`, {
      method: 'POST',
      headers: { 'content-type': 'multipart/form-data; boundary=x', authorization: 'AWS4-HMAC-SHA256 x' },
      body: 'x',
    });
    expect([answer.statusCode, await answer.body.text()]).toEqual([
      400,
      expect.stringContaining('InvalidArgument'),
    ]);
  });

  test('sent to another bucket is refused, and to one that is not there', async () => {
    const s3 = await tests.start({ clock: () => NOW, buckets: [{ name: 'another-bucket' }] });
    const send = (bucket: string) =>
      sendForm(`${s3.endpoint}/${bucket}`, signForm(PLAN), { content: CONTENT });
    expect((await send('another-bucket')).tag('Message')).toContain('["eq", "$bucket", "test-bucket"]');
    expect(await send(BUCKET)).toMatchObject({ status: 404 });
  });
});

describe('the policy', () => {
  test.each<[string, Partial<FormPlan>, string]>([
    [
      'has expired',
      { now: new Date(NOW.getTime() - 600_000) },
      '403 AccessDenied Invalid according to Policy: Policy expired.',
    ],
    ['is not JSON', { policy: '{' }, '400 InvalidPolicyDocument Invalid Policy: Invalid JSON.'],
    [
      'does not cover a field',
      { uncovered: { acl: 'private' } },
      '403 AccessDenied Invalid according to Policy: Extra input fields: acl',
    ],
    [
      'asks for another key',
      { tampered: { key: 'other' } },
      '403 AccessDenied Invalid according to Policy: Policy Condition failed: ["eq", "$key", "folder/object.bin"]',
    ],
    [
      'asks for another ACL',
      { fields: { acl: 'private' }, tampered: { acl: 'public-read' } },
      '403 AccessDenied Invalid according to Policy: Policy Condition failed: ["eq", "$acl", "private"]',
    ],
    [
      'asks for a field that is not there',
      { conditions: [['starts-with', '$x-amz-meta-a', '']] },
      '403 AccessDenied Invalid according to Policy: Policy Condition failed: ["starts-with", "$x-amz-meta-a", ""]',
    ],
    [
      'asks for more bytes',
      { conditions: [['content-length-range', 13, 20]] },
      '400 EntityTooSmall Your proposed upload is smaller than the minimum allowed size',
    ],
    [
      'asks for fewer bytes',
      { conditions: [['content-length-range', 0, 11]] },
      '400 EntityTooLarge Your proposed upload exceeds the maximum allowed size',
    ],
  ])('that %s refuses the upload and stores nothing', async (_name, plan, expected) => {
    const { error, message, s3 } = await upload(plan);
    expect(`${error} ${message}`).toBe(expected);
    expect(await s3.objects.keys(BUCKET)).toEqual([]);
  });

  test('names the size proposed and allowed', async () => {
    const { answer } = await upload({ conditions: [['content-length-range', 0, 11]] });
    expect([answer.tag('ProposedSize'), answer.tag('MaxSizeAllowed')]).toEqual(['12', '11']);
  });
});

describe('the content', () => {
  test.each<[Record<string, string>, string]>([
    [{ 'x-amz-checksum-algorithm': 'SHA256', 'x-amz-checksum-sha256': SHA256 }, 'undefined'],
    [{ 'x-amz-checksum-sha256': SHA256, 'Content-MD5': CONTENT_MD5.toString('base64') }, 'undefined'],
    [{ 'x-amz-checksum-sha256': createHash('sha256').digest('base64') }, '400 BadDigest'],
    [{ 'x-amz-checksum-sha256': 'short' }, '400 InvalidRequest'],
    [{ 'x-amz-checksum-algorithm': 'SHA256' }, '400 InvalidRequest'],
    [{ 'Content-MD5': createHash('md5').digest('base64') }, '400 BadDigest'],
    [{ 'Content-MD5': CONTENT_MD5.toString('hex') }, '400 InvalidDigest'],
    [{ 'x-amz-storage-class': 'FakeClass' }, '400 InvalidStorageClass'],
    [{ tagging: '<Tagging/>' }, '501 NotImplemented'],
  ])('announced as %j is judged %s', async (fields, expected) => {
    const { error, s3 } = await upload({ fields });
    expect(String(error)).toBe(expected);
    expect(await s3.objects.keys(BUCKET)).toHaveLength(expected === 'undefined' ? 1 : 0);
  });
});

describe('the ACL', () => {
  test.each<[string | undefined, object, string]>([
    [undefined, {}, '204'],
    ['private', {}, '204'],
    ['public-read', {}, '204'],
    ['everybody', {}, 'InvalidArgument'],
    [undefined, { objectOwnership: 'BucketOwnerEnforced' }, '204'],
    ['bucket-owner-full-control', { objectOwnership: 'BucketOwnerEnforced' }, '204'],
    ['private', { objectOwnership: 'BucketOwnerEnforced' }, 'AccessControlListNotSupported'],
    ['public-read', { objectOwnership: 'BucketOwnerEnforced' }, 'AccessControlListNotSupported'],
    ['public-read', { publicAccessBlock: true }, 'AccessDenied'],
  ])('%s in a bucket with %j: %s', async (acl, bucket, expected) => {
    const { answer } = await upload({ fields: { acl } }, { content: CONTENT }, bucket);
    expect(answer.tag('Code') ?? String(answer.status)).toBe(expected);
  });
});
