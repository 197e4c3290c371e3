import { ErrorCode, type NatsConnection, NatsError } from 'nats';
import {
  ArchivedPair,
  archivedSubject,
  DownloadLinkRequest,
  DownloadLinkResponse,
  LINK_SUBJECT,
  STREAM_ARCHIVED,
} from '../../../proto/archive-event.ts';
import { createBell } from '../../runtime/bell.ts';
import { untilAborted } from '../../runtime/until-aborted.ts';
import { type DownloadLink, DownloadLinkError, type StoredPair, type StoredPairs } from '../stored-pairs.ts';
import type { JetStreamConnection } from './jetstream-connection.ts';

/**
 * Longest time between two looks at an entry, ms. The look is what counts and the subscription only makes it
 * prompt: an entry written while we were disconnected, or whose message was lost, is found by the next look.
 */
const LOOK_INTERVAL_MS = 2_000;
/** The same right after a message, which we may see before the stream's leader has stored it. */
const SOON_MS = 50;
/** Longest wait for one archiver's answer, ms: it may have to ask the bucket first. */
const LINK_TIMEOUT_MS = 5_000;

/** Looks into the KV bucket and asks archivers, over a connection that may come and go. */
export function createJetStreamStoredPairs(connection: JetStreamConnection): StoredPairs {
  return {
    async whenStored(imageHash, signal) {
      const bell = createBell();
      // A core subscription: it needs no consumer on the server, and the library renews it after a reconnect.
      let watch: { unsubscribe(): void } | undefined;
      let messageAt = Number.NEGATIVE_INFINITY;
      const onMessage = (): void => {
        messageAt = performance.now();
        bell.ring();
      };
      try {
        for (;;) {
          signal.throwIfAborted();
          const nats = connection.current;
          if (nats !== undefined) {
            watch ??= nats.subscribe(archivedSubject(imageHash), { callback: onMessage });
            const entry = await untilAborted(storedPair(nats, imageHash), signal);
            if (entry !== undefined) return entry;
          }
          const soon = performance.now() - messageAt < LOOK_INTERVAL_MS;
          await bell.wait(soon ? SOON_MS : LOOK_INTERVAL_MS, signal);
        }
      } finally {
        watch?.unsubscribe();
      }
    },
    async downloadLink(imageHash, signal) {
      const nats = connection.current;
      if (nats === undefined) throw new DownloadLinkError('NATS is not connected');
      return untilAborted(requestLink(nats, imageHash), signal);
    },
  };
}

/**
 * The entry of a hash, read from the stream's leader: a replica may lag behind the message that made us look.
 * Undefined when there is none or it cannot be told now.
 */
async function storedPair(nats: NatsConnection, imageHash: string): Promise<StoredPair | undefined> {
  try {
    const manager = await nats.jetstreamManager({ checkAPI: false });
    const entry = await manager.streams.getMessage(STREAM_ARCHIVED, {
      last_by_subj: archivedSubject(imageHash),
    });
    if (entry.header.has('KV-Operation')) return undefined; // Deleted by an operator.
    const { bucket, key, recordKey } = ArchivedPair.decode(entry.data);
    return { bucket, key, recordKey };
  } catch {
    return undefined;
  }
}

async function requestLink(nats: NatsConnection, imageHash: string): Promise<DownloadLink> {
  const request = DownloadLinkRequest.encode({ imageHash, expiresInSeconds: 0 }).finish();
  const { outcome } = await ask(nats, request);
  if (outcome?.$case === 'error') throw new DownloadLinkError(`an archiver answered ${outcome.value.reason}`);
  if (outcome === undefined || outcome.value.url === '' || outcome.value.expireTime === undefined) {
    throw new DownloadLinkError('an archiver gave an answer without a link');
  }
  const { url, expireTime } = outcome.value;
  return { url, expireTime };
}

async function ask(nats: NatsConnection, request: Uint8Array): Promise<DownloadLinkResponse> {
  try {
    const answer = await nats.request(LINK_SUBJECT, request, { timeout: LINK_TIMEOUT_MS });
    return DownloadLinkResponse.decode(answer.data);
  } catch (cause) {
    const none = cause instanceof NatsError && cause.code === ErrorCode.NoResponders;
    throw new DownloadLinkError(none ? 'no archiver is running' : 'no archiver answered', { cause });
  }
}
