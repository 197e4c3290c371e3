import { connect, type JetStreamManager, type KV, type NatsConnection } from 'nats';
import {
  blobSubject,
  CONSUMER_ARCHIVER,
  eventSubject,
  handoffBlobsFilter,
  isCanonicalUuid,
  STREAM_BLOBS,
  STREAM_EVENTS,
} from '../../proto/archive-event.ts';
import type { NatsAccess } from '../../services/runtime/nats-access.ts';
import { natsConnectionOptions } from '../../services/runtime/nats-connection-options.ts';
import type { KeptLetter, OperatorQueue, QueuedEvent } from '../operator-queue.ts';
import { isApiError, JS_CONSUMER_NOT_FOUND, JS_WRONG_LAST_SEQUENCE } from './errors.ts';
import { openArchivedBucket } from './jetstream-archive-index.ts';
import { dropLetter, keptChunk, keptLetters } from './kept-letters.ts';
import { deleteStored, firstMessage } from './stored-message.ts';
import { asQueueAccessError, askQueue } from './queue-access.ts';

const PUBLISH_TIMEOUT_MS = 5_000;

/**
 * Connects once: a person waits.
 * @throws {QueueAccessError} when NATS does not answer, or has no archive.
 */
export async function openOperatorQueue(access: NatsAccess, signal: AbortSignal): Promise<OperatorQueue> {
  signal.throwIfAborted();
  const connection = await askQueue(() => connect(natsConnectionOptions(access, 'sekai-archive')));
  const onAbort = (): void => void connection.close();
  signal.addEventListener('abort', onAbort, { once: true });
  const close = async (): Promise<void> => {
    signal.removeEventListener('abort', onAbort);
    await connection.close();
  };
  try {
    const jsm = await connection.jetstreamManager();
    return queueOver(connection, jsm, await openArchivedBucket(connection), close);
  } catch (error) {
    await close();
    throw asQueueAccessError(error);
  }
}

function queueOver(
  connection: NatsConnection,
  jsm: JetStreamManager,
  bucket: KV,
  close: () => Promise<void>,
): OperatorQueue {
  const js = connection.jetstream({ timeout: PUBLISH_TIMEOUT_MS });
  const purgeHandoff = async (imageHash: string, handoffId: string): Promise<void> => {
    await askQueue(() =>
      jsm.streams.purge(STREAM_BLOBS, { filter: handoffBlobsFilter(imageHash, handoffId) }),
    );
  };
  return {
    letters: (signal, imageHash) => keptLetters(jsm, signal, imageHash),
    restoreChunks: async (letter, signal) => {
      const { imageHash, handoffId } = letter;
      for (const index of letter.chunkIndexes) {
        signal.throwIfAborted();
        const chunk = await askQueue(() => keptChunk(jsm, letter, index));
        await askQueue(() => js.publish(blobSubject(imageHash, handoffId, index), chunk));
      }
    },
    withdrawChunks: ({ imageHash, handoffId }) => purgeHandoff(imageHash, handoffId),
    requeue: (letter) => askQueue(() => publishAgain(js, letter)),
    drop: (letter) => askQueue(() => dropLetter(jsm, letter)),
    isArchived: (imageHash) => askQueue(async () => (await bucket.get(imageHash))?.operation === 'PUT'),
    forget: (imageHash) => askQueue(() => bucket.purge(imageHash)),
    queuedEvent: (imageHash) => askQueue(() => queuedEvent(jsm, imageHash)),
    cancel: async (imageHash, { sequence, messageId }) => {
      // No purge: nats-server 2.9 takes the consumer past all that is queued before that place, of any image (seen).
      await askQueue(() => deleteStored(jsm, STREAM_EVENTS, sequence));
      if (isCanonicalUuid(messageId)) await purgeHandoff(imageHash, messageId);
      return { mayBeHeld: (await askQueue(() => lastDelivered(jsm))) >= sequence };
    },
    close,
  };
}

/** By the publisher's rules: the hand-off's id is the message id, and one event of an image is queued at a time. */
async function publishAgain(
  js: ReturnType<NatsConnection['jetstream']>,
  { imageHash, handoffId, payload }: KeptLetter,
): Promise<'queued' | 'occupied' | 'remembered'> {
  try {
    const { duplicate } = await js.publish(eventSubject(imageHash), payload, {
      // A name that only stands in for an id was never the id of a message.
      ...(isCanonicalUuid(handoffId) ? { msgID: handoffId } : {}),
      expect: { lastSubjectSequence: 0 },
    });
    return duplicate ? 'remembered' : 'queued';
  } catch (error) {
    if (isApiError(error, JS_WRONG_LAST_SEQUENCE)) return 'occupied';
    throw error;
  }
}

async function queuedEvent(jsm: JetStreamManager, imageHash: string): Promise<QueuedEvent | undefined> {
  const message = await firstMessage(jsm, STREAM_EVENTS, eventSubject(imageHash), 1);
  if (message === undefined) return undefined;
  const { seq: sequence, data: payload, time: queuedAt } = message;
  return { sequence, payload, queuedAt, messageId: message.header?.get('Nats-Msg-Id') ?? '' };
}

/** Place of the last event that was given to an archiver. */
async function lastDelivered(jsm: JetStreamManager): Promise<number> {
  try {
    return (await jsm.consumers.info(STREAM_EVENTS, CONSUMER_ARCHIVER)).delivered.stream_seq;
  } catch (error) {
    if (isApiError(error, JS_CONSUMER_NOT_FOUND)) return 0;
    throw error;
  }
}
