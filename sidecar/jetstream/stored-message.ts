import type { JetStreamManager, MsgRequest, StoredMsg } from 'nats';
import { isApiError, JS_NO_MESSAGE_FOUND } from './errors.ts';

/** JetStream: the message to delete is not there; older servers say it with the first. */
const DELETE_FAILED = 10057;
const SEQUENCE_NOT_FOUND = 10043;

/**
 * The first message under `filter` from `sequence` on, by the stream's leader; undefined when there is none.
 * The server's API knows this request since 2.9; the client library's types do not (2.29.3).
 */
export async function firstMessage(
  jsm: JetStreamManager,
  stream: string,
  filter: string,
  sequence: number,
): Promise<StoredMsg | undefined> {
  const request = { seq: sequence, next_by_subj: filter } as unknown as MsgRequest;
  try {
    return await jsm.streams.getMessage(stream, request);
  } catch (error) {
    if (isApiError(error, JS_NO_MESSAGE_FOUND)) return undefined;
    throw error;
  }
}

/** Deletes one message and overwrites it on disk. Idempotent. */
export async function deleteStored(jsm: JetStreamManager, stream: string, sequence: number): Promise<void> {
  try {
    await jsm.streams.deleteMessage(stream, sequence);
  } catch (error) {
    const gone = [DELETE_FAILED, SEQUENCE_NOT_FOUND].some((code) => isApiError(error, code));
    if (!gone) throw error;
  }
}
