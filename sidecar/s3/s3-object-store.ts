import type { ObjectRemover } from '../object-remover.ts';
import type { ObjectStore } from '../object-store.ts';
import { deleteObject } from './object-delete.ts';
import { createObjectReader, type ObjectReader } from './object-reader.ts';
import { uploadByPost } from './post-uploader.ts';
import { createS3Connection, type S3ConnectionOptions } from './s3-connection.ts';

export type { S3ConnectionOptions as S3ObjectStoreOptions } from './s3-connection.ts';

/** The bucket behind the port, with what else one may ask of it. */
export interface S3ObjectStore extends ObjectStore, Omit<ObjectRemover, 'exists'> {
  /** Reads over the same connections. */
  readonly reader: ObjectReader;
  /** Waits for requests in flight up to `graceMs` (default 5000), then cuts them off. May be called again. */
  close(graceMs?: number): Promise<void>;
}

/** {@link ObjectStore} over S3: uploads by presigned POST, looks up by signed HEAD. Owns its connections. */
export function createS3ObjectStore(options: S3ConnectionOptions): S3ObjectStore {
  const connection = createS3Connection(options);
  const reader = createObjectReader(connection);
  return {
    reader,
    async put(object, signal, span) {
      const { etag } = await uploadByPost(connection, object, signal, span);
      options.logger.debug({ key: object.key, bytes: object.body.length, etag }, 'object stored');
    },
    async exists(key, signal, span) {
      const { state } = await reader.head(key, signal, span);
      return state === 'forbidden' ? 'unknown' : state;
    },
    remove: (key, signal) => deleteObject(connection, key, signal),
    close: connection.close,
  };
}
