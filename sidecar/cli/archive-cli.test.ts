import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LocalS3, startLocalS3 } from '../../deploy/dev/local-s3/local-s3.ts';
import { pairKeys } from '../../proto/archive-event.ts';
import { type Outcome, runCli } from './testing/run-cli.ts';

const BUCKET = 'test-bucket';
const PREFIX = 'customers/test/';
const CREDENTIAL = { accessKeyId: 'AKIATEST', secretAccessKey: 'test-secret' };
const REQUEST_ID = '00000000-0000-4000-8000-000000000001';

/** The frame of a JPEG around bytes of no meaning. */
const IMAGE = Buffer.concat([
  Buffer.from([0xff, 0xd8, 0xff, 0xe0]),
  Buffer.alloc(100_000, 'scan'),
  Buffer.from([0xff, 0xd9]),
]);
const HASH = createHash('sha256').update(IMAGE).digest('hex');
const KEYS = pairKeys(PREFIX, HASH);
const OTHER_HASH = 'ab'.repeat(32);

let folder: string;
let s3: LocalS3;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sekai-archive-'));
  s3 = await startLocalS3({
    directory: join(folder, 's3'),
    credentials: [CREDENTIAL],
    region: 'eu-central-1',
    buckets: [{ name: BUCKET }],
  });
});

afterEach(async () => {
  await s3.stop();
  await rm(folder, { recursive: true });
});

const environment = (): Record<string, string> => ({
  S3_ENDPOINT: s3.endpoint,
  S3_REGION: 'eu-central-1',
  S3_BUCKET: BUCKET,
  S3_PREFIX: PREFIX,
  AWS_ACCESS_KEY_ID: CREDENTIAL.accessKeyId,
  AWS_SECRET_ACCESS_KEY: CREDENTIAL.secretAccessKey,
});

const run = (args: readonly string[], more: Record<string, string> = {}): Promise<Outcome> =>
  runCli(args, { ...environment(), ...more });

const recordText = (image: Record<string, unknown> = {}): string =>
  JSON.stringify({
    schema_version: 1,
    request_id: REQUEST_ID,
    parameters: { prompt: 'a secret prompt' },
    image: {
      hash: HASH,
      size_bytes: IMAGE.length,
      width: 640,
      height: 480,
      media_type: 'image/jpeg',
      ...image,
    },
  });

async function writePair(record = recordText(), image: Uint8Array = IMAGE): Promise<[string, string]> {
  const files: [string, string] = [join(folder, 'image.jpg'), join(folder, 'record.json')];
  await writeFile(files[0], image);
  await writeFile(files[1], record);
  return files;
}

async function upload(record?: string, image?: Uint8Array, flags: string[] = []): Promise<Outcome> {
  const [imageFile, recordFile] = await writePair(record, image);
  return run(['upload', imageFile, '--record', recordFile, ...flags]);
}

describe('upload', () => {
  it('stores the image, then the record, under the keys of the archiver', async () => {
    const { code, stdout, stderr } = await upload();
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toBe(`image   s3://${BUCKET}/${KEYS.image}\nrecord  s3://${BUCKET}/${KEYS.record}\n`);
    const image = await s3.objects.get(BUCKET, KEYS.image);
    const record = await s3.objects.get(BUCKET, KEYS.record);
    expect(image?.body.equals(IMAGE)).toBe(true);
    expect(record?.body.toString()).toBe(recordText());
    expect(image?.headers['content-type']).toBe('image/jpeg');
    expect(JSON.stringify(record)).toContain(REQUEST_ID);
  });

  it('changes nothing where a pair is already, unless told to', async () => {
    await upload();
    const other = recordText({ width: 641 });
    const kept = await upload(other);
    expect(kept.code).toBe(0);
    expect(kept.stdout).toContain('nothing changed');
    expect((await s3.objects.get(BUCKET, KEYS.record))?.body.toString()).toBe(recordText());
    await upload(other, IMAGE, ['--overwrite']);
    expect((await s3.objects.get(BUCKET, KEYS.record))?.body.toString()).toBe(other);
  });

  it('warns of a record that is of another image', async () => {
    const { code, stderr } = await upload(recordText({ hash: OTHER_HASH }));
    expect(code).toBe(0);
    expect(stderr).toContain(`image.hash is ${OTHER_HASH}`);
  });

  it('names the cure when the bucket or the credentials are wrong', async () => {
    const [imageFile, recordFile] = await writePair();
    const args = ['upload', imageFile, '--record', recordFile];
    const missing = await run(args, { S3_BUCKET: 'other-bucket' });
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('create the bucket other-bucket');
    const wrongKey = await run(args, { AWS_SECRET_ACCESS_KEY: 'wrong-secret' });
    expect(wrongKey.code).toBe(1);
    expect(wrongKey.stderr).toContain('check AWS_SECRET_ACCESS_KEY');
    expect(wrongKey.stderr).not.toContain('    at ');
  });

  it('refuses files that are no pair, and uploads nothing', async () => {
    const cut = await upload(recordText(), IMAGE.subarray(0, -2));
    expect(cut).toMatchObject({ code: 1, stderr: expect.stringContaining('not a complete JPEG') as string });
    const noJson = await upload('{');
    expect(noJson).toMatchObject({ code: 1, stderr: expect.stringContaining('is not JSON') as string });
    const noFile = await run(['upload', join(folder, 'none.jpg'), '--record', join(folder, 'none.json')]);
    expect(noFile).toMatchObject({ code: 1, stderr: expect.stringContaining('ENOENT') as string });
    expect(await s3.objects.keys(BUCKET)).toEqual([]);
  });
});

describe('verify', () => {
  beforeEach(async () => {
    const { code, stderr } = await upload();
    if (code !== 0) throw new Error(stderr);
  });

  it('exits with 0 for a good pair', async () => {
    const { code, stdout } = await run(['verify', HASH]);
    expect(stdout).toBe(
      `ok  ${HASH}\n` +
        `  image  s3://${BUCKET}/${KEYS.image}  ${IMAGE.length} bytes: its SHA-256 is its name, private\n` +
        `  record s3://${BUCKET}/${KEYS.record}  ${recordText().length} bytes: describes this image, private\n`,
    );
    expect(code).toBe(0);
  });

  it('prints one JSON object with --json', async () => {
    const { stdout } = await run(['verify', HASH, OTHER_HASH, '--json', '--deep']);
    expect(JSON.parse(stdout)).toMatchObject({
      verdict: 'bad',
      bucket: { name: BUCKET, verdict: 'good' },
      pairs: [
        { image_hash: HASH, verdict: 'good', objects: [{ role: 'image', size_bytes: IMAGE.length }, {}] },
        { image_hash: OTHER_HASH, verdict: 'bad', objects: [{ verdict: 'bad', size_bytes: null }, {}] },
      ],
    });
  });

  it('finds an image whose bytes have changed under the old checksum', async () => {
    await s3.objects.corrupt(BUCKET, KEYS.image);
    const { code, stdout } = await run(['verify', HASH]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/image .*: BAD\n {4}content: its bytes have SHA-256 [0-9a-f]{64}, not the hash/);
    expect(stdout).toMatch(/record .*: describes this image, private/);
  });

  it('finds a damaged record without printing what is in it', async () => {
    await s3.objects.corrupt(BUCKET, KEYS.record);
    const { code, stdout } = await run(['verify', HASH]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/image .*: its SHA-256 is its name, private\n.*record .*: BAD\n {4}content: /);
    expect(stdout).not.toContain('secret prompt');
  });

  it('finds a record of another image or of another size', async () => {
    await s3.objects.set(BUCKET, KEYS.record, recordText({ hash: OTHER_HASH, size_bytes: 5 }));
    const { code, stdout } = await run(['verify', HASH]);
    expect(code).toBe(1);
    expect(stdout).toContain(`content: image.hash is ${OTHER_HASH}`);
    expect(stdout).toContain(`content: image.size_bytes is 5, the image has ${IMAGE.length}`);
  });

  it('names every field that a record lacks', async () => {
    await s3.objects.set(BUCKET, KEYS.record, '{"schema_version":1,"image":{"hash":7}}');
    const { stdout } = await run(['verify', HASH]);
    for (const field of ['request_id', 'image.hash', 'image.size_bytes', 'image.width', 'image.media_type']) {
      expect(stdout).toContain(`content: ${field} is not`);
    }
  });

  it('finds what is missing', async () => {
    await s3.objects.delete(BUCKET, KEYS.record);
    const { code, stdout } = await run(['verify', HASH]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/image .*private\n.*record .*: BAD\n {4}presence: missing from the bucket\n$/);
  });

  it('finds an object that everybody can read', async () => {
    await s3.objects.setAcl(BUCKET, KEYS.image, 'public-read');
    const { code, stdout } = await run(['verify', HASH]);
    expect(code).toBe(1);
    expect(stdout).toContain('privacy: PUBLIC: anybody can read it without credentials');
    expect(stdout).toContain('privacy: PUBLIC: its ACL grants READ to everyone');
    expect(stdout).toMatch(/record .*private/);
  });

  it('finds an object that every account can read, which no anonymous request shows', async () => {
    await s3.objects.setAcl(BUCKET, KEYS.record, 'authenticated-read');
    const { code, stdout } = await run(['verify', HASH]);
    expect(code).toBe(1);
    expect(stdout).toContain('privacy: PUBLIC: its ACL grants READ to every account');
    expect(stdout).not.toContain('anybody');
  });

  it('finds a bucket that its policy makes public', async () => {
    await s3.setBucket({ name: BUCKET, publicRead: true });
    const { code, stdout } = await run(['verify', HASH]);
    expect(code).toBe(1);
    expect(stdout).toContain('PUBLIC: the policy of the bucket opens it to everyone');
    expect(stdout).toContain('PUBLIC: anybody can read it');
  });

  it('exits with 2 when credentials are wrong, and calls nothing bad', async () => {
    const wrongs: Record<string, string>[] = [
      { AWS_SECRET_ACCESS_KEY: 'wrong' },
      { AWS_ACCESS_KEY_ID: 'AKIAWRONG' },
    ];
    for (const wrong of wrongs) {
      const { code, stdout } = await run(['verify', HASH], wrong);
      expect(stdout).toContain('NOT CHECKED');
      expect(stdout).not.toContain('BAD');
      expect(code).toBe(2);
    }
  });

  it('exits with 2 when a missing object cannot be told from a forbidden one', async () => {
    await s3.setBucket({ name: BUCKET, listBucketAllowed: false });
    const { code, stdout } = await run(['verify', OTHER_HASH]);
    expect(code).toBe(2);
    expect(stdout).toContain('s3:ListBucket');
  });

  it('exits with 2 when the store cannot be reached', async () => {
    const { endpoint } = s3;
    await s3.stop();
    const { code, stdout } = await run(['verify', HASH], { S3_ENDPOINT: endpoint });
    expect(code).toBe(2);
    expect(stdout).toContain('check that S3_ENDPOINT is right and reachable');
  });

  it('exits with 2 when there is no such bucket, rather than calling every object missing', async () => {
    const { code, stdout } = await run(['verify', HASH], { S3_BUCKET: 'other-bucket' });
    expect(stdout).toBe(
      'NOT CHECKED  bucket other-bucket\n  presence: there is no such bucket: check S3_BUCKET and S3_ENDPOINT\n',
    );
    expect(code).toBe(2);
  });

  it('exits with 64 for malformed hashes and 78 for a wrong configuration', async () => {
    for (const hash of ['abc', HASH.toUpperCase(), `${HASH}0`]) {
      expect((await run(['verify', hash])).code).toBe(64);
    }
    expect((await run(['verify'])).code).toBe(64);
    expect((await run(['upload', 'x.jpg'])).code).toBe(64);
    const wrong = await run(['verify', HASH], { S3_BUCKET: 'NO', AWS_SECRET_ACCESS_KEY: '' });
    expect(wrong.code).toBe(78);
    expect(wrong.stderr).toContain('S3_BUCKET: expected a bucket name');
    const half = await run(['verify', HASH], { AWS_SECRET_ACCESS_KEY: '' });
    expect(half.code).toBe(78);
    expect(half.stderr).toContain('AWS_SECRET_ACCESS_KEY');
  });
});
