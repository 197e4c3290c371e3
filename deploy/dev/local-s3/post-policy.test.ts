import { describe, expect, test } from 'vitest';
import { checkPolicy, checkSize, maxSizeBytes, parsePolicy } from './post-policy.ts';
import { S3Error } from './s3-error.ts';

const EXPIRATION = '2030-01-01T00:00:00.000Z';
const NOW = new Date('2029-12-31T23:59:59.999Z');

const parse = (policy: unknown) =>
  parsePolicy(Buffer.from(typeof policy === 'string' ? policy : JSON.stringify(policy)).toString('base64'));

function judge(conditions: readonly unknown[], fields: Record<string, string>, now = NOW): string {
  const policy = parse({ expiration: EXPIRATION, conditions: [{ bucket: 'b' }, ...conditions] });
  const map = new Map(Object.entries(fields).map(([name, value]) => [name.toLowerCase(), { name, value }]));
  try {
    checkPolicy(policy, { bucket: 'b', fields: map, now });
    return 'accepted';
  } catch (error) {
    if (!(error instanceof S3Error) || error.status !== 403 || error.code !== 'AccessDenied') throw error;
    return error.message.replace('Invalid according to Policy: ', '');
  }
}

describe('a policy document', () => {
  const malformed: [string, unknown, string][] = [
    ['text that is not JSON', '{', 'Invalid JSON.'],
    ['a list', [], 'Invalid JSON.'],
    ['a member of another language', { Statement: [], conditions: [] }, "Unexpected: 'statement'"],
    ['no expiration', { conditions: [] }, 'Policy missing expiration.'],
    ['no conditions', { expiration: EXPIRATION }, 'Policy missing conditions.'],
    [
      'conditions that are no list',
      { expiration: EXPIRATION, conditions: {} },
      "Invalid 'conditions' value: must be a List.",
    ],
    ...[
      '2030-01-01T00:00:00+00:00',
      '2030-01-01 00:00:00Z',
      '2030-02-30T00:00:00Z',
      '2030-01-01T00:00:00',
      'soon',
    ].map((expiration): [string, unknown, string] => [
      `the expiration ${expiration}`,
      { expiration, conditions: [] },
      `Invalid 'expiration' value: '${expiration}'`,
    ]),
    ...(
      [
        ['text', 'Invalid condition test: must be a List or Object.'],
        [{}, 'Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.'],
        [
          { a: '1', b: '2' },
          'Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.',
        ],
        [{ 'Content-Length': 5 }, 'Invalid Simple-Condition: value must be a string.'],
        [[], 'Invalid Condition: missing operation identifier.'],
        [['ends-with', '$key', 'x'], "Invalid Condition: unknown operation 'ends-with'."],
        [['eq', '$key'], 'Invalid eq: wrong number of arguments.'],
        [['content-length-range', 1], 'Invalid content-length-range: wrong number of arguments.'],
        [['content-length-range', -1, 5], 'Invalid JSON.'],
      ] as const
    ).map(([condition, reason]): [string, unknown, string] => [
      `the condition ${JSON.stringify(condition)}`,
      { expiration: EXPIRATION, conditions: [condition] },
      reason,
    ]),
  ];

  test.each(malformed)('with %s is refused', (_name, policy, reason) => {
    expect(() => parse(policy)).toThrow(
      expect.objectContaining({
        status: 400,
        code: 'InvalidPolicyDocument',
        message: `Invalid Policy: ${reason}`,
      }),
    );
  });

  test('that is not base64 is refused', () => {
    expect(() => parsePolicy('{"expiration"}')).toThrow('Invalid Policy: invalid Base64 encoding.');
  });

  test('ends at its expiration, with or without milliseconds', () => {
    const end = new Date(EXPIRATION);
    expect(judge([], {}, new Date(end.getTime() - 1))).toBe('accepted');
    expect(judge([], {}, end)).toBe('Policy expired.');
    expect(parse({ expiration: '2030-01-01T00:00:00Z', conditions: [] }).expiration).toEqual(end);
  });
});

describe('a condition', () => {
  test.each<[unknown, Record<string, string>, string]>([
    [{ key: 'a' }, { key: 'a' }, 'accepted'],
    [{ key: 'a' }, { key: 'b' }, 'Policy Condition failed: ["eq", "$key", "a"]'],
    [['eq', '$key', 'a'], { Key: 'a' }, 'accepted'],
    [['EQ', '$KEY', 'a'], { key: 'a' }, 'accepted'],
    [['eq', 'key', 'a'], { key: 'a' }, 'Policy Condition failed: ["eq", "key", "a"]'],
    [['eq', '$key', 'a'], { key: 'A' }, 'Policy Condition failed: ["eq", "$key", "a"]'],
    [['starts-with', '$key', 'a/'], { key: 'a/b' }, 'accepted'],
    [['starts-with', '$key', 'a/'], { key: 'b' }, 'Policy Condition failed: ["starts-with", "$key", "a/"]'],
    [['starts-with', '$key', ''], { key: 'b' }, 'accepted'],
    [
      ['starts-with', '$Content-Type', ''],
      {},
      'Policy Condition failed: ["starts-with", "$Content-Type", ""]',
    ],
    [['starts-with', '$Content-Type', 'image/'], { 'Content-Type': 'image/png, image/gif' }, 'accepted'],
    [
      ['starts-with', '$Content-Type', 'image/'],
      { 'Content-Type': 'image/png, text/html' },
      'Policy Condition failed: ["starts-with", "$Content-Type", "image/"]',
    ],
    [['eq', '$bucket', 'b'], {}, 'accepted'],
    [['eq', '$bucket', 'c'], {}, 'Policy Condition failed: ["eq", "$bucket", "c"]'],
    [
      ['starts-with', '$x-amz-date', '2029'],
      { 'x-amz-date': '2029' },
      'Policy Condition failed: ["starts-with", "$x-amz-date", "2029"]',
    ],
    [{ key: 'a$$b' }, { key: 'a$$b' }, 'Policy Condition failed: ["eq", "$key", "a$$b"]'],
    [
      { 'Content-Disposition': 'x="y"' },
      { 'content-disposition': '' },
      'Policy Condition failed: ["eq", "$Content-Disposition", "x=\\"y\\""]',
    ],
    [
      ['content-length-range', 'test', '10'],
      {},
      'Policy Condition failed: ["content-length-range", "test", "10"]',
    ],
  ])('%j and the fields %j: %s', (condition, fields, verdict) => {
    expect(judge([condition], fields)).toBe(verdict);
  });

  test('on the bucket is never taken from a field of that name', () => {
    expect(judge([], { bucket: 'b' })).toBe('accepted');
    expect(judge([], { bucket: 'other' })).toBe('Policy Condition failed: ["eq", "$bucket", "b"]');
  });

  test('on the bucket must be there', () => {
    const policy = parse({ expiration: EXPIRATION, conditions: [] });
    const check = () => checkPolicy(policy, { bucket: 'b', fields: new Map(), now: NOW });
    expect(check).toThrow('Policy missing condition: bucket');
  });

  test('must exist for every field but the few that need none', () => {
    expect(judge([], { 'x-amz-signature': '1', policy: '2', 'x-ignore-me': '3' })).toBe('accepted');
    expect(judge([{ key: 'k' }], { key: 'k', StorageClass: 'x', Acl: 'y' })).toBe(
      'Extra input fields: StorageClass, Acl',
    );
    expect(judge([], { 'x-amz-checksum-sha256': 'x' })).toBe('Extra input fields: x-amz-checksum-sha256');
  });
});

describe('content-length-range', () => {
  const policy = parse({ expiration: EXPIRATION, conditions: [['content-length-range', 5, '10']] });

  test('includes both ends', () => {
    for (const size of [5, 10]) expect(() => checkSize(policy, size)).not.toThrow();
    expect(maxSizeBytes(policy)).toBe(10);
  });

  test('names the size and the limit it breaks', () => {
    expect(() => checkSize(policy, 4)).toThrow(
      expect.objectContaining({
        status: 400,
        code: 'EntityTooSmall',
        details: { ProposedSize: '4', MinSizeAllowed: '5' },
      }),
    );
    expect(() => checkSize(policy, 12)).toThrow(
      expect.objectContaining({
        status: 400,
        code: 'EntityTooLarge',
        details: { ProposedSize: '12', MaxSizeAllowed: '10' },
      }),
    );
  });
});
