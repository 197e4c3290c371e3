import { setTimeout as delay } from 'node:timers/promises';
import { Empty, ErrorCode, type JetStreamManager, type NatsConnection, NatsError } from 'nats';
import { blobSubject, imageBlobsFilter, STREAM_BLOBS } from '../../proto/archive-event.ts';
import type { ImageChunks } from '../image-chunks.ts';
import { isApiError, JS_NO_MESSAGE_FOUND } from './errors.ts';

/** A replica that answers a direct get may lag behind the leader; so long it is given, ms. */
const REPLICA_PAUSES_MS = [0, 50, 200];
const REQUEST_TIMEOUT_MS = 5_000;

export function createJetStreamImageChunks(connection: NatsConnection, jsm: JetStreamManager): ImageChunks {
  return {
    get: ({ imageHash, handoffId, index }, signal) =>
      readChunk(connection, jsm, blobSubject(imageHash, handoffId, index), signal),
    purge: async (imageHash) => {
      await jsm.streams.purge(STREAM_BLOBS, { filter: imageBlobsFilter(imageHash) });
    },
  };
}

/** The last message under `subject`, from any replica, then from the leader; undefined when there is none. */
export async function readChunk(
  connection: NatsConnection,
  jsm: JetStreamManager,
  subject: string,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  for (const pauseMs of REPLICA_PAUSES_MS) {
    if (pauseMs > 0) await delay(pauseMs, undefined, { signal });
    const chunk = await directGet(connection, subject);
    if (chunk !== undefined) return chunk;
  }
  try {
    return (await jsm.streams.getMessage(STREAM_BLOBS, { last_by_subj: subject })).data;
  } catch (error) {
    if (isApiError(error, JS_NO_MESSAGE_FOUND)) return undefined;
    throw error;
  }
}

/** The direct get of ADR-31, which the client library has, but not in its public types. */
async function directGet(connection: NatsConnection, subject: string): Promise<Uint8Array | undefined> {
  const request = `$JS.API.DIRECT.GET.${STREAM_BLOBS}.${subject}`;
  try {
    const { headers, data } = await connection.request(request, Empty, { timeout: REQUEST_TIMEOUT_MS });
    // What a stored message's own headers claim is no answer of the server's, which would name no subject.
    if (headers?.has('Nats-Subject')) return data;
    if (headers?.code === 404) return undefined;
    throw new Error(`direct get of a chunk answered ${headers?.code} ${headers?.description ?? ''}`);
  } catch (error) {
    // So the client library takes an empty message that claims status 503, too. The leader will tell.
    if (error instanceof NatsError && error.code === ErrorCode.NoResponders) return undefined;
    throw error;
  }
}
