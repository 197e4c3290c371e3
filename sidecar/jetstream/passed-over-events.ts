import type { JetStreamManager, StoredMsg } from 'nats';
import { STREAM_EVENTS } from '../../proto/archive-event.ts';
import type { HeldEvent } from '../event-source.ts';
import { deleteStored, firstMessage } from './stored-message.ts';
import { traceIn } from './trace-headers.ts';

/** What a look at the queue has to tell. */
export interface QueueEdges {
  /** Sequence of the oldest event. */
  readonly firstSequence: number;
  /** Stream sequence up to which the consumer holds everything for acknowledged. */
  readonly ackFloor: number;
}

/**
 * Events that are in the stream although the consumer holds them for acknowledged. A nats-server that is killed can
 * keep an acknowledgement in the consumer's state and lose the deletion in the stream's (seen with 2.12.15 and
 * 2.15.2): the event is there again and would never be delivered, nor could its hash be queued again. Such an event
 * is handled like any other one, except that it is deleted where others are acknowledged.
 */
export interface PassedOverEvents {
  /** To be told at every look; what is seen by two of them may be taken. Returns how many those are. */
  look(edges: QueueEdges): Promise<number>;
  /** One of them, which nobody else in this process holds. */
  take(): Promise<HeldEvent | undefined>;
}

/** Most events remembered at a time; later looks find the others. */
const MOST = 256;

export function createPassedOverEvents(jsm: JetStreamManager): PassedOverEvents {
  const held = new Set<number>();
  let seen = new Set<number>();
  let ready: number[] = [];
  return {
    look: async (edges) => {
      const now = await sequencesBelow(jsm, edges);
      ready = [...now].filter((sequence) => seen.has(sequence) && !held.has(sequence));
      seen = now;
      return ready.length;
    },
    take: async () => {
      for (;;) {
        const sequence = ready.shift();
        if (sequence === undefined) return undefined;
        const message = await firstMessage(jsm, STREAM_EVENTS, ALL_EVENTS, sequence);
        if (message?.seq !== sequence) continue;
        held.add(sequence);
        return holdStored(jsm, message, () => held.delete(sequence));
      }
    },
  };
}

const ALL_EVENTS = 'sekai.archive.event.>';

async function sequencesBelow(
  jsm: JetStreamManager,
  { firstSequence, ackFloor }: QueueEdges,
): Promise<Set<number>> {
  const found = new Set<number>();
  let next = firstSequence;
  while (next <= ackFloor && found.size < MOST) {
    const message = await firstMessage(jsm, STREAM_EVENTS, ALL_EVENTS, next);
    if (message === undefined || message.seq > ackFloor) break;
    found.add(message.seq);
    next = message.seq + 1;
  }
  return found;
}

function holdStored(jsm: JetStreamManager, message: StoredMsg, release: () => void): HeldEvent {
  const remove = async (): Promise<void> => {
    try {
      await deleteStored(jsm, STREAM_EVENTS, message.seq);
    } finally {
      release();
    }
  };
  return {
    sequence: message.seq,
    subjectHash: message.subject.slice(message.subject.lastIndexOf('.') + 1),
    messageId: message.header?.get('Nats-Msg-Id') || undefined,
    payload: message.data,
    trace: traceIn(message.header),
    ack: remove,
    // The next looks find it again.
    retry: release,
    reject: remove,
    working: () => {},
  };
}
