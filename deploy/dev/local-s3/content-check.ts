/** The digests of a body, and whether they are those its sender announced. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { notImplemented, S3Error } from './s3-error.ts';

/** Base64 digests by their name in `x-amz-checksum-{name}`. */
export type Checksums = Readonly<Partial<Record<ChecksumName, string>>>;

const CHECKSUM_BYTES = { sha256: 32, sha1: 20, crc32: 4 } as const;
export type ChecksumName = keyof typeof CHECKSUM_BYTES;
const CHECKSUM_NAMES = Object.keys(CHECKSUM_BYTES) as ChecksumName[];

export interface ContentClaims {
  readonly contentMd5: string | undefined;
  readonly checksums: Checksums;
}

export interface ContentDigests {
  /** Hex, the ETag of a plain object. */
  readonly md5: string;
  readonly checksums: Checksums;
}

export interface ContentHasher {
  update(chunk: Buffer): void;
  digests(): ContentDigests;
}

/** Hashes a body for its ETag and for those checksums only that somebody asks for: hashing is most of the work. */
export function createContentHasher(wanted: readonly ChecksumName[]): ContentHasher {
  const md5 = createHash('md5');
  const others = wanted.map((name) => [name, name === 'crc32' ? createCrc32() : createHash(name)] as const);
  return {
    update(chunk) {
      md5.update(chunk);
      for (const [, hash] of others) hash.update(chunk);
    },
    digests: () => ({
      md5: md5.digest('hex'),
      checksums: Object.fromEntries(others.map(([name, hash]) => [name, hash.digest('base64')])),
    }),
  };
}

/** zlib's CRC-32 in the shape of a hash. */
function createCrc32() {
  let crc = 0;
  return {
    update(chunk: Buffer) {
      crc = crc32(chunk, crc);
    },
    digest(encoding: 'base64') {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(crc);
      return bytes.toString(encoding);
    },
  };
}

/** The checksums a body must be hashed for to be held against these claims. */
export const claimedChecksums = ({ checksums }: ContentClaims) =>
  CHECKSUM_NAMES.filter((name) => checksums[name] !== undefined);

/**
 * What a form or the headers of a PUT announce about the content.
 * @throws {S3Error} InvalidDigest, InvalidRequest, NotImplemented
 */
export function contentClaims(value: (name: string) => string | undefined): ContentClaims {
  const contentMd5 = value('content-md5');
  if (contentMd5 !== undefined && !isBase64Of(16, contentMd5)) {
    throw new S3Error(400, 'InvalidDigest', 'The Content-MD5 you specified was invalid.', {
      'Content-MD5': contentMd5,
    });
  }
  for (const unsupported of ['crc32c', 'crc64nvme']) {
    if (value(`x-amz-checksum-${unsupported}`) !== undefined)
      throw notImplemented(`x-amz-checksum-${unsupported}`);
  }
  const checksums: Partial<Record<ChecksumName, string>> = {};
  for (const name of CHECKSUM_NAMES) {
    const claimed = value(`x-amz-checksum-${name}`);
    if (claimed === undefined) continue;
    if (!isBase64Of(CHECKSUM_BYTES[name], claimed)) {
      throw new S3Error(400, 'InvalidRequest', `Value for x-amz-checksum-${name} header is invalid.`);
    }
    checksums[name] = claimed;
  }
  checkAlgorithm(value('x-amz-checksum-algorithm') ?? value('x-amz-sdk-checksum-algorithm'), checksums);
  return { contentMd5, checksums };
}

function checkAlgorithm(algorithm: string | undefined, checksums: Checksums): void {
  if (algorithm === undefined) return;
  const name = CHECKSUM_NAMES.find((known) => known === algorithm.toLowerCase());
  if (name === undefined) {
    const message =
      'Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, SHA1, SHA256]';
    throw new S3Error(400, 'InvalidRequest', message);
  }
  if (checksums[name] === undefined) {
    const message =
      'x-amz-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.';
    throw new S3Error(400, 'InvalidRequest', message);
  }
}

/** @throws {S3Error} BadDigest */
export function checkContent(claims: ContentClaims, digests: ContentDigests): void {
  const md5 = Buffer.from(digests.md5, 'hex').toString('base64');
  if (claims.contentMd5 !== undefined && claims.contentMd5 !== md5) {
    throw new S3Error(400, 'BadDigest', 'The Content-MD5 you specified did not match what we received.', {
      ExpectedDigest: claims.contentMd5,
      CalculatedDigest: md5,
    });
  }
  const wrong = CHECKSUM_NAMES.find(
    (name) => claims.checksums[name] !== undefined && claims.checksums[name] !== digests.checksums[name],
  );
  if (wrong !== undefined) {
    const message = `The ${wrong.toUpperCase()} you specified did not match the calculated checksum.`;
    throw new S3Error(400, 'BadDigest', message);
  }
}

function isBase64Of(bytes: number, text: string): boolean {
  const decoded = Buffer.from(text, 'base64');
  return decoded.length === bytes && decoded.toString('base64') === text;
}
