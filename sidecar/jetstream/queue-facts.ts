import type { JetStreamManager } from 'nats';
import { CONSUMER_ARCHIVER, STREAM_EVENTS } from '../../proto/archive-event.ts';
import type { ConsumerSnapshot } from './consumer-watchdog.ts';
import { firstMessage } from './stored-message.ts';

/** Queue and consumer at one moment. */
export interface QueueFacts extends ConsumerSnapshot {
  /** Of all events, bytes. */
  readonly bytes: number;
  readonly oldestAgeSeconds: number;
  /** Sequence of the oldest event; undefined when there is none. */
  readonly firstSequence: number | undefined;
  /** Stream sequence up to which the consumer holds everything for acknowledged. */
  readonly ackFloorSequence: number;
}

export async function readQueueFacts(jsm: JetStreamManager): Promise<QueueFacts> {
  // The consumer first: what is published or acknowledged in between then looks like too few events, or too many
  // for one poll, and "stranded" needs a minute of them.
  const consumer = await jsm.consumers.info(STREAM_EVENTS, CONSUMER_ARCHIVER);
  const { state } = await jsm.streams.info(STREAM_EVENTS);
  // A server before 2.10 that was killed may go on counting an event that nobody can read any more (seen with
  // 2.9.10). Such a queue is empty: no rebuilt consumer would find anything in it.
  const oldest =
    state.messages === 0
      ? undefined
      : await firstMessage(jsm, STREAM_EVENTS, 'sekai.archive.event.>', state.first_seq);
  const empty = oldest === undefined;
  const { delivered, ack_floor: ackFloor } = consumer;
  return {
    atMs: Date.now(),
    messages: empty ? 0 : state.messages,
    bytes: empty ? 0 : state.bytes,
    oldestAgeSeconds: empty ? 0 : (Date.now() - oldest.time.getTime()) / 1000,
    firstSequence: oldest?.seq,
    numPending: empty ? 0 : consumer.num_pending,
    numAckPending: consumer.num_ack_pending,
    numWaiting: consumer.num_waiting,
    maxAckPending: consumer.config.max_ack_pending ?? Number.MAX_SAFE_INTEGER,
    delivered: `${delivered.consumer_seq}/${delivered.stream_seq}`,
    ackFloor: `${ackFloor.consumer_seq}/${ackFloor.stream_seq}`,
    ackFloorSequence: ackFloor.stream_seq,
  };
}
