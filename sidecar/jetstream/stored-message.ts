import type { JetStreamManager, MsgRequest, StoredMsg } from 'nats';
import { isApiError, JS_NO_MESSAGE_FOUND } from './errors.ts';

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
