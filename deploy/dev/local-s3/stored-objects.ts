import type { CannedAcl } from './canned-acl.ts';
import type { ContentDigests } from './content-check.ts';
import type { ObjectFiles, ObjectMetadata } from './object-files.ts';

export interface StoredObject extends ObjectMetadata {
  readonly body: Buffer;
}

export interface ObjectSeed {
  /** Default `binary/octet-stream`. */
  readonly contentType?: string;
  readonly userMetadata?: Readonly<Record<string, string>>;
  /** Default `private`. */
  readonly acl?: CannedAcl;
  /** Whether S3 knows the object's SHA-256, as after an upload that announced it. Default true. */
  readonly withChecksum?: boolean;
}

/** The objects as a test reaches for them, past all checks. */
export interface StoredObjects {
  get(bucket: string, key: string): Promise<StoredObject | undefined>;
  set(bucket: string, key: string, body: Uint8Array | string, seed?: ObjectSeed): Promise<void>;
  setAcl(bucket: string, key: string, acl: CannedAcl): Promise<void>;
  delete(bucket: string, key: string): Promise<void>;
  /** Other bytes of the same length, under the old ETag and checksum: what a failing disk does. */
  corrupt(bucket: string, key: string): Promise<void>;
  keys(bucket: string, prefix?: string): Promise<string[]>;
}

export function createStoredObjects(files: ObjectFiles, clock: () => Date): StoredObjects {
  const get = async (bucket: string, key: string): Promise<StoredObject | undefined> => {
    const object = await files.open(bucket, key);
    if (object === undefined) return undefined;
    try {
      return { ...object.metadata, body: await object.file.readFile() };
    } finally {
      await object.file.close();
    }
  };
  const write = async (
    bucket: string,
    key: string,
    body: Buffer,
    metadata: (digests: ContentDigests) => ObjectMetadata,
  ) => {
    const staged = await files.stage(['sha256']);
    try {
      await staged.write(body);
      await staged.commit(bucket, key, metadata(staged.digests()));
    } finally {
      await staged.discard();
    }
  };
  return {
    get,
    set: (bucket, key, body, seed = {}) =>
      write(bucket, key, Buffer.from(body), ({ md5, checksums }) => ({
        etag: md5,
        lastModified: clock().toISOString(),
        headers: { 'content-type': seed.contentType ?? 'binary/octet-stream' },
        userMetadata: seed.userMetadata ?? {},
        acl: seed.acl ?? 'private',
        checksums: seed.withChecksum === false ? {} : checksums,
      })),
    setAcl: (bucket, key, acl) => files.updateMetadata(bucket, key, { acl }),
    delete: (bucket, key) => files.remove(bucket, key),
    async corrupt(bucket, key) {
      const object = await get(bucket, key);
      if (object === undefined || object.body.length === 0)
        throw new Error(`nothing to corrupt in ${bucket}/${key}`);
      const { body, ...metadata } = object;
      const middle = body.length >> 1;
      body[middle] = (body[middle] ?? 0) ^ 0xff;
      await write(bucket, key, body, () => metadata);
    },
    keys: (bucket, prefix) => files.keys(bucket, prefix),
  };
}
