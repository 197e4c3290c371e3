import {
  ErrorCode,
  headers,
  type JetStreamPublishOptions,
  type MsgHdrs,
  type NatsConnection,
  NatsError,
  type PubAck,
} from 'nats';
import {
  blobSubject,
  CHUNK_BYTES,
  chunkCount,
  encodeArchiveEvent,
  eventSubject,
  handoffBlobsFilter,
  INLINE_EVENT_MAX_BYTES,
  STREAM_BLOBS,
  STREAM_EVENTS,
} from '../../../proto/archive-event.ts';
import { chunksOf } from '../chunks.ts';
import { type Span, type TraceCarrier, type Tracing } from '../../runtime/tracing/tracing.ts';
import { type HandOffPublisher, PublishError } from './handoff-publisher.ts';
import type { JetStreamConnection } from './jetstream-connection.ts';
import type { SpooledHandOff } from './spool-file.ts';

/** Longest wait for one acknowledgement, ms. */
const ACK_TIMEOUT_MS = 5_000;
/** JetStream: the subject has a message although none was expected. */
const WRONG_LAST_SEQUENCE = 10071;
/** JetStream: the stream holds as many bytes as it may. */
const MAXIMUM_BYTES_EXCEEDED = 10077;
/** Room for the event's fields beside record and image, bytes. */
const EVENT_OVERHEAD_BYTES = 1024;

/** Publishes hand-offs: small ones in one message, large ones as chunks that a manifest commits. */
export function createJetStreamPublisher(
  connection: JetStreamConnection,
  tracing: Tracing,
): HandOffPublisher {
  return {
    get connected() {
      return connection.current !== undefined;
    },
    onConnectionChange: (listener) => connection.onChange(listener),
    close: () => connection.close(),
    async publish(handOff, signal) {
      const nats = connection.current;
      // The library would drop what is published now, without a word.
      if (nats === undefined) throw new PublishError('disconnected', 'NATS is not connected');
      try {
        await tracedSend(tracing, handOff, (span) => publishPair(nats, handOff, span, signal));
      } catch (error) {
        signal?.throwIfAborted();
        throw asPublishError(error);
      }
    },
  };
}

/** Each attempt is a span of its own; the one that succeeds is what the archiver's work follows from. */
async function tracedSend(
  tracing: Tracing,
  { trace, handoffId, image, record }: SpooledHandOff,
  send: (span: Span) => Promise<void>,
): Promise<void> {
  const span = tracing.start(`send ${STREAM_EVENTS}`, trace, {
    kind: 'producer',
    attributes: {
      'messaging.system.name': 'nats',
      'messaging.destination.name': STREAM_EVENTS,
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'messaging.message.id': handoffId,
      'messaging.message.body.size': image.length + record.length,
    },
  });
  try {
    await send(span);
    span.end();
  } catch (error) {
    span.end({ errorType: asPublishError(error).failure });
    throw error;
  }
}

async function publishPair(
  nats: NatsConnection,
  handOff: SpooledHandOff,
  span: Span,
  signal: AbortSignal | undefined,
): Promise<void> {
  const size = handOff.record.length + handOff.image.length + EVENT_OVERHEAD_BYTES;
  const inline = size <= INLINE_EVENT_MAX_BYTES;
  if (!inline) await publishChunks(nats, handOff, signal);
  signal?.throwIfAborted();
  const outcome = await publishEvent(nats, handOff, inline, span);
  span.set({ 'sekai.chunked': !inline, 'sekai.duplicate': outcome === 'known' });
  if (outcome === 'known' && !inline) await purgeUnownedChunks(nats, handOff);
}

async function publishChunks(
  nats: NatsConnection,
  { image, imageHash, handoffId }: SpooledHandOff,
  signal: AbortSignal | undefined,
): Promise<void> {
  let index = 0;
  for (const { data } of chunksOf(image, CHUNK_BYTES)) {
    signal?.throwIfAborted();
    await publish(nats, blobSubject(imageHash, handoffId, index), data);
    index += 1;
  }
}

/** `known`: this image is queued, or this very hand-off was before. */
async function publishEvent(
  nats: NatsConnection,
  handOff: SpooledHandOff,
  inline: boolean,
  { carrier }: Span,
): Promise<'stored' | 'known'> {
  const { image, record } = handOff;
  const payload = encodeArchiveEvent({
    ...handOff,
    imageSizeBytes: image.length,
    imageMediaType: 'image/jpeg',
    inputRecord: record,
    image: inline
      ? { kind: 'inline', bytes: image }
      : { kind: 'chunked', chunkCount: chunkCount(image.length), chunkBytes: CHUNK_BYTES },
  });
  try {
    const { duplicate } = await publish(nats, eventSubject(handOff.imageHash), payload, {
      msgID: handOff.handoffId,
      headers: headersOf(carrier),
      expect: { lastSubjectSequence: 0 },
    });
    return duplicate ? 'known' : 'stored';
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.err_code === WRONG_LAST_SEQUENCE) return 'known';
    throw error;
  }
}

function headersOf(carrier: TraceCarrier): MsgHdrs {
  const made = headers();
  for (const [name, value] of Object.entries(carrier)) made.set(name, value);
  return made;
}

function publish(
  nats: NatsConnection,
  subject: string,
  payload: Uint8Array,
  options: Partial<JetStreamPublishOptions> = {},
): Promise<PubAck> {
  return nats.jetstream().publish(subject, payload, { timeout: ACK_TIMEOUT_MS, ...options });
}

/**
 * Purges our chunks unless the queued event is our own: after an attempt whose answer was lost, the event that
 * is "queued already" may be this hand-off's, and its chunks are what the archiver needs.
 */
async function purgeUnownedChunks(nats: NatsConnection, handOff: SpooledHandOff): Promise<void> {
  const { imageHash, handoffId } = handOff;
  if ((await queuedHandOffId(nats, imageHash)) === handoffId) return;
  const manager = await nats.jetstreamManager({ checkAPI: false });
  await manager.streams.purge(STREAM_BLOBS, { filter: handoffBlobsFilter(imageHash, handoffId) });
}

async function queuedHandOffId(nats: NatsConnection, imageHash: string): Promise<string | undefined> {
  const manager = await nats.jetstreamManager({ checkAPI: false });
  try {
    const queued = await manager.streams.getMessage(STREAM_EVENTS, { last_by_subj: eventSubject(imageHash) });
    return queued.header.get('Nats-Msg-Id');
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.code === 404) return undefined;
    throw error;
  }
}

/**
 * Code "503" alone means "no responders", that is no stream; with an `api_error` it is JetStream's own
 * "resources exceeded" (measured, nats 2.29 against nats-server 2.9.10).
 */
function asPublishError(error: unknown): PublishError {
  if (!(error instanceof NatsError))
    return new PublishError('refused', 'publishing failed', { cause: error });
  const options = { cause: error };
  if (error.api_error?.err_code === MAXIMUM_BYTES_EXCEEDED) {
    return new PublishError('stream-full', 'the archive stream is full', options);
  }
  if (error.api_error !== undefined)
    return new PublishError('refused', 'JetStream refused the message', options);
  switch (error.code) {
    case ErrorCode.Timeout:
      return new PublishError('timeout', 'JetStream did not answer in time', options);
    case ErrorCode.NoResponders:
      return new PublishError('no-stream', 'the archive streams do not exist yet', options);
    default:
      return new PublishError('disconnected', 'the connection to NATS failed', options);
  }
}
