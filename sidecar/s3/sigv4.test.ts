import { AwsV4Signer } from 'aws4fetch';
import { expect, it } from 'vitest';
import { EMPTY_PAYLOAD_SHA256, presignGetUrl, signRequest, signingKey } from './sigv4.ts';

const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const temporary = { ...credentials, sessionToken: 'FQoDYXdzEXAMPLE+TOKEN/==' };
const exampleDate = new Date('2013-05-24T00:00:00Z');
const exampleHost = 'https://examplebucket.s3.amazonaws.com';

const signatureOf = (headers: Record<string, string>): string | undefined =>
  /Signature=([0-9a-f]{64})$/.exec(headers['authorization'] ?? '')?.[1];

it('derives the signing key of the AWS POST example', () => {
  const key = signingKey(credentials.secretAccessKey, new Date('2015-12-29T00:00:00Z'), 'us-east-1');
  expect(key.toString('hex')).toBe('cbcef1ebeaefc82cce6530b9f0a9ae598846065f5c5bae0674bd5ebc4ba52d28');
});

it('signs the AWS example "GET Object" with a range', () => {
  const request = {
    method: 'GET',
    url: new URL(`${exampleHost}/test.txt`),
    headers: { range: 'bytes=0-9' },
  } as const;
  const headers = signRequest(request, credentials, 'us-east-1', exampleDate);
  expect(headers['authorization']).toBe(
    'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,' +
      'SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,' +
      'Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  );
  expect(headers['x-amz-content-sha256']).toBe(EMPTY_PAYLOAD_SHA256);
});

it.each([
  ['?lifecycle', 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'],
  ['?max-keys=2&prefix=J', '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7'],
])('signs the AWS example "GET %s"', (query, expected) => {
  const request = { method: 'GET', url: new URL(`${exampleHost}/${query}`) } as const;
  expect(signatureOf(signRequest(request, credentials, 'us-east-1', exampleDate))).toBe(expected);
});

it('presigns the AWS example URL', () => {
  const { url, expiresAt } = presignGetUrl(
    new URL(`${exampleHost}/test.txt`),
    credentials,
    'us-east-1',
    exampleDate,
    86_400,
  );
  expect(url.searchParams.get('X-Amz-Signature')).toBe(
    'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
  );
  expect(expiresAt).toEqual(new Date('2013-05-25T00:00:00Z'));
});

it.each([
  ['HEAD', '/bucket/a/b-c_d.jpg'],
  ['GET', '/bucket/with%20space%20%26%20(paren)%21'],
  ['GET', '/bucket?list-type=2&prefix=a%2Fb&start-after=x%20y'],
  ['GET', '/bucket/key?acl'],
] as const)('agrees with aws4fetch on %s %s with a session token', async (method, path) => {
  const url = `https://s3.example.com:9000${path}`;
  const oracle = await new AwsV4Signer({
    ...temporary,
    method,
    url,
    headers: { 'x-amz-content-sha256': EMPTY_PAYLOAD_SHA256, 'x-amz-checksum-mode': 'ENABLED' },
    service: 's3',
    region: 'ap-northeast-1',
    datetime: '20260102T030405Z',
  }).sign();
  const ours = signRequest(
    { method, url: new URL(url), headers: { 'x-amz-checksum-mode': 'ENABLED' } },
    temporary,
    'ap-northeast-1',
    new Date('2026-01-02T03:04:05.678Z'),
  );
  expect(signatureOf(ours)).toBe(
    /Signature=([0-9a-f]{64})$/.exec(oracle.headers.get('authorization') ?? '')?.[1],
  );
});

it('agrees with aws4fetch on a presigned URL with a session token and a file name', async () => {
  const target = new URL('https://s3.example.com/bucket/a/b.jpg');
  target.searchParams.set('response-content-disposition', 'attachment; filename="a b.jpg"');
  const { url } = presignGetUrl(target, temporary, 'eu-west-1', new Date('2026-01-02T03:04:05Z'), 900);
  const oracleTarget = new URL(target);
  oracleTarget.searchParams.set('X-Amz-Expires', '900');
  const oracle = await new AwsV4Signer({
    ...temporary,
    method: 'GET',
    url: oracleTarget.href,
    service: 's3',
    region: 'eu-west-1',
    datetime: '20260102T030405Z',
    signQuery: true,
  }).sign();
  expect(url.searchParams.get('X-Amz-Signature')).toBe(oracle.url.searchParams.get('X-Amz-Signature'));
  expect(url.search).not.toContain('+');
});

it('ends a link with the credentials that signed it', () => {
  const expiresAt = new Date('2026-01-02T03:10:00Z');
  const link = presignGetUrl(
    new URL('https://s3.example.com/bucket/key'),
    { ...temporary, expiresAt },
    'us-east-1',
    new Date('2026-01-02T03:04:05Z'),
    3600,
  );
  expect(link.expiresAt).toEqual(expiresAt);
});

it.each([0, -1, Number.NaN, 7 * 86_400 + 1])('refuses a link that lives %s s', (seconds) => {
  const url = new URL('https://s3.example.com/bucket/key');
  expect(() => presignGetUrl(url, credentials, 'us-east-1', new Date(), seconds)).toThrow(RangeError);
});
