/** What NATS and the spool still hold. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from 'nats';
import { STREAM_BLOBS, STREAM_DEAD, STREAM_EVENTS } from '../../proto/archive-event.ts';
import { firstMessage } from '../../sidecar/jetstream/stored-message.ts';

export interface QueueState {
  readonly events: number;
  readonly chunks: number;
  readonly dead: number;
  /** Hand-offs in the spool. */
  readonly spooled: number;
}

/** Asks NATS, which must be there. */
export async function queueState(observer: NatsConnection, spoolDirectory: string): Promise<QueueState> {
  const manager = await observer.jetstreamManager({ checkAPI: false });
  const messages = async (stream: string): Promise<number> => {
    const { state } = await manager.streams.info(stream);
    // Servers before 2.10 may go on counting a message that nobody can read any more (seen with 2.9.10).
    const readable = state.messages > 0 && (await firstMessage(manager, stream, '>', state.first_seq));
    return readable ? state.messages : 0;
  };
  // The spool first: what leaves it afterwards is then seen in the streams.
  const spooled = (await readdir(join(spoolDirectory, 'queue')).catch(() => [])).length;
  return {
    spooled,
    events: await messages(STREAM_EVENTS),
    chunks: await messages(STREAM_BLOBS),
    dead: await messages(STREAM_DEAD),
  };
}

/** Chunks that outlive all events for so long are orphans, ms: the archiver looks for them every 10 s. */
const ORPHANED_AFTER_MS = 25_000;

/** Waits until nothing is left, or nothing changes any more for `patienceMs`; returns what is left then. */
export async function drained(look: () => Promise<QueueState>, patienceMs: number): Promise<QueueState> {
  let changedAt = Date.now();
  let last = '';
  for (;;) {
    const state = await look().catch(() => undefined);
    const seen = state === undefined ? last : JSON.stringify(state);
    if (seen !== last) changedAt = Date.now();
    last = seen;
    const idleMs = Date.now() - changedAt;
    if (state !== undefined) {
      const busy = state.events + state.spooled > 0;
      if (!busy && (state.chunks === 0 || idleMs > ORPHANED_AFTER_MS)) return state;
      if (idleMs > patienceMs) return state;
    } else if (idleMs > patienceMs) throw new Error('NATS does not answer');
    await delay(100);
  }
}
