/** `sekai-archive upload`: stores a pair without a broker; the quickest test of bucket and credentials. */
import { createHash, randomUUID } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { InvalidArgumentError } from 'commander';
import { isCanonicalUuid, MAX_IMAGE_BYTES, pairKeys } from '../../proto/archive-event.ts';
import { type ObjectStore, TargetFault } from '../object-store.ts';
import type { S3ObjectStore } from '../s3/s3-object-store.ts';
import type { CliIo, RegisterCommand } from './cli-io.ts';
import { parseJson, readInputRecord, type ReadRecord, recordMismatches } from './input-record.ts';
import { openArchive } from './open-archive.ts';

interface UploadFlags {
  readonly record: string;
  readonly requestId?: string;
  readonly overwrite?: boolean;
}

export const registerUpload: RegisterCommand = (program, io, finish) => {
  program
    .command('upload')
    .description('Uploads an image and its record, in the order and under the keys of the archiver.')
    .argument('<image>', 'JPEG file')
    .requiredOption('--record <file>', 'input record, a JSON file')
    .option('--request-id <uuid>', "request id to store with the objects (default: the record's)", readUuid)
    .option('--overwrite', 'replace a pair that is in the bucket already')
    .addHelpText('after', '\nExit codes: 0 stored, 1 failed, 64 wrong usage, 78 wrong configuration.')
    .action(async (imageFile: string, flags: UploadFlags) => finish(await upload(imageFile, flags, io)));
};

function readUuid(text: string): string {
  if (isCanonicalUuid(text)) return text;
  throw new InvalidArgumentError('expected a canonical lower-case UUID.');
}

interface PairFiles {
  readonly image: Uint8Array;
  readonly record: Uint8Array;
  readonly imageHash: string;
  readonly requestId: string;
}

async function upload(imageFile: string, flags: UploadFlags, io: CliIo): Promise<number> {
  const { config, store } = openArchive(io);
  try {
    const pair = await readPair(imageFile, flags, io);
    if (pair === undefined) return 1;
    const keys = pairKeys(config.prefix, pair.imageHash);
    // The first pair wins, here as in the archiver: where the record is, the pair is complete.
    const existence = flags.overwrite ? 'unknown' : await store.exists(keys.record, io.signal);
    if (existence === 'present') {
      io.stdout.write(`in the bucket already, nothing changed (--overwrite replaces it)\n`);
    } else {
      await putPair(store, pair, keys, io.signal).catch((error: unknown) => explain(store, error, io.signal));
    }
    io.stdout.write(
      `image   s3://${config.bucket}/${keys.image}\nrecord  s3://${config.bucket}/${keys.record}\n`,
    );
    return 0;
  } finally {
    await store.close();
  }
}

/** Ceph answers a form with a wrong key as one without permission; a signed question shows the difference. */
async function explain({ reader }: S3ObjectStore, error: unknown, signal: AbortSignal): Promise<never> {
  if (error instanceof TargetFault && error.kind === 'permission') await reader.policyStatus(signal);
  throw error;
}

async function putPair(
  store: ObjectStore,
  { image, record, requestId }: PairFiles,
  keys: { readonly image: string; readonly record: string },
  signal: AbortSignal,
): Promise<void> {
  const metadata = { 'request-id': requestId };
  const put = (key: string, body: Uint8Array, contentType: string): Promise<void> =>
    store.put(
      { key, body, contentType, sha256: createHash('sha256').update(body).digest(), metadata },
      signal,
    );
  await put(keys.image, image, 'image/jpeg');
  await put(keys.record, record, 'application/json');
}

/** Undefined after telling the user why the files are no pair. */
async function readPair(imageFile: string, flags: UploadFlags, io: CliIo): Promise<PairFiles | undefined> {
  const refuse = (reason: string): undefined => {
    io.stderr.write(`${reason}\n`);
    return undefined;
  };
  for (const file of [imageFile, flags.record]) {
    const { size } = await stat(file);
    if (size > MAX_IMAGE_BYTES) return refuse(`${file} has ${size} bytes, at most are ${MAX_IMAGE_BYTES}`);
  }
  const [image, record] = await Promise.all([readFile(imageFile), readFile(flags.record)]);
  if (!isWholeJpeg(image)) return refuse(`${imageFile} is not a complete JPEG`);
  if (parseJson(record) === undefined) return refuse(`${flags.record} is not JSON in UTF-8`);
  const imageHash = createHash('sha256').update(image).digest('hex');
  const found = readInputRecord(record);
  const faults =
    'faults' in found
      ? found.faults
      : recordMismatches(found.record, { hash: imageHash, sizeBytes: image.length });
  if (faults.length > 0) {
    io.stderr.write(`warning: verify will call this pair bad, as its record does not describe the image:\n`);
    for (const fault of faults) io.stderr.write(`  ${fault}\n`);
  }
  return { image, record, imageHash, requestId: flags.requestId ?? requestIdOf(found) ?? randomUUID() };
}

const requestIdOf = (found: ReadRecord): string | undefined =>
  'record' in found ? found.record.requestId : undefined;

/** SOI and the start of a marker at the front, EOI at the end, ITU-T T.81 annex B. */
const isWholeJpeg = (bytes: Buffer): boolean =>
  bytes.length > 4 && bytes.readUIntBE(0, 3) === 0xffd8ff && bytes.readUInt16BE(bytes.length - 2) === 0xffd9;
