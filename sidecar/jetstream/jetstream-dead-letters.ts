import { headers, type JetStreamManager, type NatsConnection } from 'nats';
import {
  deadBlobSubject,
  deadEventSubject,
  handoffBlobsFilter,
  HEADER_DEAD_DETAIL,
  HEADER_DEAD_REASON,
  STREAM_BLOBS,
} from '../../proto/archive-event.ts';
import type { DeadLetter, DeadLetters } from '../dead-letters.ts';
import { readChunk } from './jetstream-image-chunks.ts';

/** A header is for a glance; it must not push the letter over `max_payload`. */
const DETAIL_MAX_CHARS = 1_000;

/** Chunks first: the letter in the dead stream says that all there was has been copied. */
export function createJetStreamDeadLetters(connection: NatsConnection, jsm: JetStreamManager): DeadLetters {
  const js = connection.jetstream();
  return {
    bury: async ({ imageHash, handoffId, payload, fault }: DeadLetter, signal) => {
      for (const subject of await chunkSubjects(jsm, imageHash, handoffId)) {
        signal.throwIfAborted();
        const chunk = await readChunk(connection, jsm, subject, signal);
        const index = Number(subject.slice(subject.lastIndexOf('.') + 1));
        if (chunk !== undefined) await js.publish(deadBlobSubject(imageHash, handoffId, index), chunk);
      }
      const reason = headers();
      reason.set(HEADER_DEAD_REASON, fault.reason);
      reason.set(HEADER_DEAD_DETAIL, fault.message.replace(/\s+/g, ' ').slice(0, DETAIL_MAX_CHARS));
      await js.publish(deadEventSubject(imageHash, handoffId), payload, { headers: reason });
    },
  };
}

/** What exists, not what the manifest announces: the manifest may be what is wrong. */
async function chunkSubjects(jsm: JetStreamManager, imageHash: string, handoffId: string): Promise<string[]> {
  const filter = handoffBlobsFilter(imageHash, handoffId);
  const { state } = await jsm.streams.info(STREAM_BLOBS, { subjects_filter: filter });
  return Object.keys(state.subjects ?? {}).filter((subject) => /\.\d+$/.test(subject));
}
