import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CannedAcl } from './canned-acl.ts';
import {
  type ChecksumName,
  type Checksums,
  type ContentDigests,
  type ContentHasher,
  createContentHasher,
} from './content-check.ts';
import { createKeyLock } from './key-lock.ts';
import { objectPaths } from './object-key.ts';
import { S3Error } from './s3-error.ts';

/** What is known of an object besides its bytes; kept as JSON in `.metadata/{bucket}/{key}.json`. */
export interface ObjectMetadata {
  /** Without quotes. */
  readonly etag: string;
  /** ISO 8601. */
  readonly lastModified: string;
  /** Content-Type, Cache-Control and the like, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** By lower-case name without `x-amz-meta-`. */
  readonly userMetadata: Readonly<Record<string, string>>;
  readonly acl: CannedAcl;
  /** Those the uploader announced and S3 has verified. */
  readonly checksums: Checksums;
}

/** An object open for reading: bytes and metadata of one moment. The caller closes `file`. */
export interface OpenObject {
  readonly metadata: ObjectMetadata;
  readonly file: FileHandle;
  readonly sizeBytes: number;
}

/** An upload that is not visible yet. One of `commit` and `discard` ends it. */
export interface StagedObject {
  readonly sizeBytes: number;
  write(chunk: Buffer): Promise<void>;
  digests(): ContentDigests;
  /** Makes it visible. @returns false when `onlyIfAbsent` and the key is taken */
  commit(
    bucket: string,
    key: string,
    metadata: ObjectMetadata,
    options?: { readonly onlyIfAbsent: boolean },
  ): Promise<boolean>;
  discard(): Promise<void>;
}

/** Objects as plain files, written beside and renamed, so that a reader sees the old or the new one. */
export interface ObjectFiles {
  addBucket(bucket: string): Promise<void>;
  /** Starts an upload; its digests are the MD5 and those in `checksums`. */
  stage(checksums: readonly ChecksumName[]): Promise<StagedObject>;
  open(bucket: string, key: string): Promise<OpenObject | undefined>;
  updateMetadata(bucket: string, key: string, change: Partial<ObjectMetadata>): Promise<void>;
  remove(bucket: string, key: string): Promise<void>;
  /** Keys in UTF-8 byte order. */
  keys(bucket: string, prefix?: string): Promise<string[]>;
}

export async function openObjectFiles(directory: string, buckets: readonly string[]): Promise<ObjectFiles> {
  const temporary = join(directory, '.temporary');
  await rm(temporary, { recursive: true, force: true }); // uploads cut off by a crash
  await mkdir(temporary, { recursive: true });
  const addBucket = async (bucket: string) => {
    await mkdir(join(directory, bucket), { recursive: true });
  };
  await Promise.all(buckets.map(addBucket));
  const locked = createKeyLock();
  const place = (bucket: string, key: string) => objectPaths(directory, bucket, key);
  const temporaryPath = () => join(temporary, randomUUID());

  const writeMetadata = async (path: string, metadata: ObjectMetadata) => {
    const written = temporaryPath();
    await writeFile(written, `${JSON.stringify(metadata, null, 2)}\n`);
    await moveInto(written, path);
  };
  return {
    addBucket,
    stage: (checksums) =>
      stageObject(
        temporaryPath(),
        createContentHasher(checksums),
        (staged, bucket, key, metadata, onlyIfAbsent) => {
          const paths = place(bucket, key);
          return locked(paths.data, async () => {
            if (onlyIfAbsent) {
              const present = await openObject(paths.data, paths.metadata);
              await present?.file.close();
              if (present !== undefined) return false;
            }
            await moveInto(staged, paths.data);
            await writeMetadata(paths.metadata, metadata);
            return true;
          });
        },
      ),
    open(bucket, key) {
      const paths = place(bucket, key);
      return locked(paths.data, () => openObject(paths.data, paths.metadata));
    },
    async updateMetadata(bucket, key, change) {
      const paths = place(bucket, key);
      await locked(paths.data, async () => {
        const object = await openObject(paths.data, paths.metadata);
        if (object === undefined) throw new Error(`no object ${bucket}/${key}`);
        await object.file.close();
        await writeMetadata(paths.metadata, { ...object.metadata, ...change });
      });
    },
    async remove(bucket, key) {
      const paths = place(bucket, key);
      await locked(paths.data, async () => {
        await rm(paths.data, { force: true });
        await rm(paths.metadata, { force: true });
      });
    },
    keys: (bucket, prefix = '') => listKeys(join(directory, bucket), prefix),
  };
}

type Commit = (
  staged: string,
  bucket: string,
  key: string,
  metadata: ObjectMetadata,
  onlyIfAbsent: boolean,
) => Promise<boolean>;

async function stageObject(path: string, hasher: ContentHasher, commit: Commit): Promise<StagedObject> {
  const file = await open(path, 'wx');
  let sizeBytes = 0;
  let closed = false;
  const close = async () => {
    if (!closed) {
      closed = true;
      await file.close();
    }
  };
  return {
    get sizeBytes() {
      return sizeBytes;
    },
    async write(chunk) {
      hasher.update(chunk);
      sizeBytes += chunk.length;
      await file.writeFile(chunk);
    },
    digests: () => hasher.digests(),
    async commit(bucket, key, metadata, { onlyIfAbsent } = { onlyIfAbsent: false }) {
      await close();
      return commit(path, bucket, key, metadata, onlyIfAbsent);
    },
    async discard() {
      await close();
      await rm(path, { force: true });
    },
  };
}

async function openObject(dataPath: string, metadataPath: string): Promise<OpenObject | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await open(dataPath, 'r');
    const status = await file.stat();
    if (!status.isFile()) throw Object.assign(new Error('not a file'), { code: 'ENOENT' });
    const metadata = JSON.parse(await readFile(metadataPath, 'utf8')) as ObjectMetadata;
    return { metadata, file, sizeBytes: status.size };
  } catch (error) {
    await file?.close();
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'EISDIR')) return undefined;
    throw error;
  }
}

/** @throws {S3Error} when a folder stands where the file must go, or a file where a folder must. */
async function moveInto(from: string, to: string): Promise<void> {
  try {
    await rename(from, to).catch(async (error: unknown) => {
      if (!hasCode(error, 'ENOENT')) throw error;
      await mkdir(dirname(to), { recursive: true });
      await rename(from, to);
    });
  } catch (error) {
    if (!hasCode(error, 'EISDIR', 'ENOTDIR', 'EEXIST', 'ENOTEMPTY')) throw error;
    throw new S3Error(
      400,
      'InvalidArgument',
      'Another object of this server is a folder on the way of this key.',
    );
  }
}

async function listKeys(root: string, prefix: string): Promise<string[]> {
  const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  if (folder.split('/').includes('..')) return [];
  const entries = await readdir(join(root, folder), { withFileTypes: true, recursive: true }).catch(
    (error: unknown) => {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
      throw error;
    },
  );
  const files = entries.filter((entry) => entry.isFile());
  return files
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter((key) => key.startsWith(prefix))
    .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

const hasCode = (error: unknown, ...codes: string[]) =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code));
