import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { canonicalRequest, encodeUri, parseScope, signText, stringToSign } from './signature-v4.ts';
import { EXAMPLE_CREDENTIAL } from './_support/signed-form.ts';
import { V1_POLICY_BASE64, V2_POLICY, V3_POLICY } from './_support/test-vectors.ts';

const SECRET = EXAMPLE_CREDENTIAL.secretAccessKey;

describe('the signature of a POST policy', () => {
  test('is that of the official AWS example', () => {
    expect(signText(V1_POLICY_BASE64, SECRET, { day: '20151229', region: 'us-east-1' })).toBe(
      '8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e',
    );
  });

  test('is that of botocore', () => {
    const base64 = Buffer.from(V2_POLICY).toString('base64');
    expect(signText(base64, SECRET, { day: '20151229', region: 'us-east-1' })).toBe(
      '3364624b39010d9b06f5d9b8c9a18a6e478d261c048159c92f2fd6fa885f14e6',
    );
  });

  test('is that of two other implementations for a policy with a session token', () => {
    const base64 = Buffer.from(V3_POLICY).toString('base64');
    expect(base64).toHaveLength(736);
    expect(signText(base64, SECRET, { day: '20260102', region: 'ap-northeast-1' })).toBe(
      'a4627ff9d13b9353bbb431103e947e3591e74461b05c85a3d288bad28c547d80',
    );
  });
});

describe('the signature of a request', () => {
  const emptyHash = createHash('sha256').digest('hex');
  const headers = {
    host: ['examplebucket.s3.amazonaws.com'],
    range: ['bytes=0-9'],
    'x-amz-content-sha256': [emptyHash],
    'x-amz-date': ['20130524T000000Z'],
  };

  // https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
  test.each([
    {
      name: 'GET Object',
      path: '/test.txt',
      query: [],
      signed: ['host', 'range', 'x-amz-content-sha256', 'x-amz-date'],
      signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    },
    {
      name: 'GET ?lifecycle',
      path: '/',
      query: [['lifecycle', '']] as const,
      signed: ['host', 'x-amz-content-sha256', 'x-amz-date'],
      signature: 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    },
    {
      name: 'GET ?max-keys=2&prefix=J, in any order',
      path: '/',
      query: [
        ['prefix', 'J'],
        ['max-keys', '2'],
      ] as const,
      signed: ['host', 'x-amz-content-sha256', 'x-amz-date'],
      signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    },
  ])('is that of the AWS example $name', ({ path, query, signed, signature }) => {
    const scope = parseScope('AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request');
    if (scope === undefined) throw new Error('a scope that should parse did not');
    const canonical = canonicalRequest({
      method: 'GET',
      path,
      query,
      signedHeaders: signed,
      headers,
      payloadHash: emptyHash,
    });
    const text = stringToSign(canonical, '20130524T000000Z', scope);
    expect(signText(text, SECRET, scope)).toBe(signature);
  });
});

test('percent-encoding leaves only the unreserved characters', () => {
  expect(encodeUri("aZ09-._~ /!'()*é")).toBe('aZ09-._~%20%2F%21%27%28%29%2A%C3%A9');
});
