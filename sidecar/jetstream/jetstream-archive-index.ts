import type { KV, Msg, NatsConnection } from 'nats';
import { ArchivedPair, archivedSubject, KV_ARCHIVED, STREAM_ARCHIVED } from '../../proto/archive-event.ts';
import type { ArchiveIndex } from '../archive-index.ts';
import { isApiError, JS_NO_MESSAGE_FOUND, JS_WRONG_LAST_SEQUENCE } from './errors.ts';
import { createRequests } from './requests.ts';

const GET_SUBJECT = `$JS.API.STREAM.MSG.GET.${STREAM_ARCHIVED}`;
const REQUEST_TIMEOUT_MS = 5_000;

/** Opens the bucket, which must exist. */
export const openArchivedBucket = (connection: NatsConnection): Promise<KV> =>
  connection.jetstream().views.kv(KV_ARCHIVED, { bindOnly: true });

/**
 * Reads by the stream's leader, as the client library's `get` does with a bucket that it has only bound: a replica
 * that lags could still have the entry of a pair that was deleted, and its event would be acknowledged. Not by the
 * library (2.29.3), which makes errors with stacks of entries that are not there.
 */
export function createJetStreamArchiveIndex(connection: NatsConnection, bucket: KV): ArchiveIndex {
  const requests = createRequests(connection);
  return {
    get: async (imageHash) => {
      const request = JSON.stringify({ last_by_subj: archivedSubject(imageHash) });
      const entry = entryOf(await requests.ask(GET_SUBJECT, request, REQUEST_TIMEOUT_MS));
      return entry && ArchivedPair.decode(entry);
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

/** As the JetStream API answers it; bytes in base64. */
interface GetAnswer {
  readonly error?: { readonly code: number; readonly err_code?: number; readonly description?: string };
  readonly message?: { readonly hdrs?: string; readonly data?: string };
}

/** The value that was put; undefined when there is none any more. */
function entryOf(answer: Msg): Uint8Array | undefined {
  const { error, message } = answer.json<GetAnswer>();
  if (error?.err_code === JS_NO_MESSAGE_FOUND) return undefined;
  if (message === undefined) {
    throw new Error(`NATS: the index answered ${error?.code} ${error?.description ?? ''}`);
  }
  // A KV client deletes by a message that says so in a header.
  const isDeleted = /^KV-Operation: *(DEL|PURGE)/im.test(textOf(message.hdrs));
  return isDeleted ? undefined : Buffer.from(message.data ?? '', 'base64');
}

const textOf = (base64 = ''): string => Buffer.from(base64, 'base64').toString();
