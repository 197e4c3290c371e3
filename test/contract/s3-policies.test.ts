/** deploy/s3 against the defaults of the configuration and what the code asks of S3. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readArchiverConfig } from '../../sidecar/config.ts';

const folder = join(import.meta.dirname, '..', '..', 'deploy', 's3');
const read = (file: string): unknown => JSON.parse(readFileSync(join(folder, file), 'utf8'));
const { bucket, prefix } = readArchiverConfig({}).s3;

interface Statement {
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: string | string[];
}

const grantsOf = (file: string): [action: string, resource: string][] =>
  (read(file) as { Statement: Statement[] }).Statement.flatMap(({ Effect, Action, Resource }) =>
    [Action].flat().flatMap((action) =>
      [Resource].flat().map((resource): [string, string] => {
        expect(Effect).toBe('Allow');
        return [action, resource];
      }),
    ),
  );

const OBJECTS = `arn:aws:s3:::${bucket}/${prefix}*`;
const BUCKET = `arn:aws:s3:::${bucket}`;

describe('the policies grant exactly', () => {
  test.each([
    [
      'upload-policy.json',
      [
        ['s3:PutObject', OBJECTS],
        ['s3:PutObjectAcl', OBJECTS],
        ['s3:GetObject', OBJECTS],
        ['s3:ListBucket', BUCKET],
      ],
    ],
    [
      'verify-policy.json',
      [
        ['s3:GetObject', OBJECTS],
        ['s3:GetObjectAcl', OBJECTS],
        ['s3:ListBucket', BUCKET],
        ['s3:GetBucketPolicyStatus', BUCKET],
        ['s3:GetBucketPublicAccessBlock', BUCKET],
      ],
    ],
    [
      'delete-policy.json',
      [
        ['s3:DeleteObject', OBJECTS],
        ['s3:GetObject', OBJECTS],
        ['s3:ListBucket', BUCKET],
      ],
    ],
  ])('%s', (file, grants) => expect(grantsOf(file)).toEqual(grants));
});

test('nothing can be made public', () => {
  expect(new Set(Object.values(read('public-access-block.json') as object))).toEqual(new Set([true]));
  expect(Object.keys(read('public-access-block.json') as object)).toHaveLength(4);
});

test('the bucket policy only ever denies', () => {
  const { Statement: statements } = read('bucket-policy.json') as { Statement: Statement[] };
  expect(statements.map(({ Effect, Resource }) => [Effect, Resource])).toEqual([
    ['Deny', [BUCKET, `${BUCKET}/*`]],
  ]);
});

test('retention is for the prefix of the pairs', () => {
  const { Rules: rules } = read('lifecycle.json') as {
    Rules: { Filter: object; Expiration: { Days: number } }[];
  };
  expect(rules.map(({ Filter }) => Filter)).toEqual([{ Prefix: prefix }]);
});

test('the production overlay sends an ACL that a bucket without ACLs takes', () => {
  expect(read('ownership-controls.json')).toEqual({ Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] });
  const overlay = join(folder, '..', 'kubernetes', 'rendered', 'prod.yaml');
  expect(readFileSync(overlay, 'utf8')).toMatch(/S3_OBJECT_ACL: (bucket-owner-full-control|none)\n/);
});

test('the README explains each file', () => {
  const readme = readFileSync(join(folder, 'README.md'), 'utf8');
  const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
  expect(files.length).toBeGreaterThan(5);
  expect(files.filter((file) => !readme.includes(`\`${file}\``))).toEqual([]);
});
