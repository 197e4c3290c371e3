import type { KV, NatsConnection } from 'nats';
import { ArchivedPair, KV_ARCHIVED } from '../../proto/archive-event.ts';
import type { ArchiveIndex } from '../archive-index.ts';
import { isApiError, JS_WRONG_LAST_SEQUENCE } from './errors.ts';

/** Opens the bucket, which must exist. */
export const openArchivedBucket = (connection: NatsConnection): Promise<KV> =>
  connection.jetstream().views.kv(KV_ARCHIVED, { bindOnly: true });

export function createJetStreamArchiveIndex(bucket: KV): ArchiveIndex {
  return {
    get: async (imageHash) => {
      const entry = await bucket.get(imageHash);
      return entry?.operation === 'PUT' ? ArchivedPair.decode(entry.value) : undefined;
    },
    putIfAbsent: async (imageHash, pair) => {
      try {
        await bucket.create(imageHash, ArchivedPair.encode(pair).finish());
      } catch (error) {
        if (!isApiError(error, JS_WRONG_LAST_SEQUENCE)) throw error;
      }
    },
  };
}
