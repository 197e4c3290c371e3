import type { Msg, NatsConnection } from 'nats';
import { CONSUMER_ARCHIVER, STREAM_EVENTS } from '../../proto/archive-event.ts';
import type { EventSource, HeldEvent } from '../event-source.ts';
import type { PassedOverEvents } from './passed-over-events.ts';
import { type PullTimings, pullMessages } from './pull-request.ts';
import { createRequests, type Requests } from './requests.ts';
import { sharePulls } from './shared-pulls.ts';
import { traceIn } from './trace-headers.ts';

const NEXT_SUBJECT = `$JS.API.CONSUMER.MSG.NEXT.${STREAM_EVENTS}.${CONSUMER_ARCHIVER}`;
/** A restarted server is noticed within two heartbeats and a second, by each pull for itself. */
const PULL_TIMINGS: PullTimings = { expiresMs: 10_000, heartbeatMs: 2_000 };
const CONFIRM_TIMEOUT_MS = 5_000;

/**
 * Events from the shared consumer, one for each call of `next`. `ensureQueue` is called first, and again whenever consumer or
 * stream seem to be gone.
 */
export function createJetStreamEventSource(
  connection: NatsConnection,
  ensureQueue: () => Promise<void>,
  passedOver: Pick<PassedOverEvents, 'take'>,
  timings: PullTimings = PULL_TIMINGS,
): EventSource {
  const requests = createRequests(connection);
  let ensured: Promise<void> | undefined;
  const nextMessage = sharePulls((batch, signal, take) =>
    pullMessages(connection, { subject: NEXT_SUBJECT, batch, timings }, signal, take),
  );
  return {
    next: async (signal) => {
      if (signal.aborted) return undefined;
      ensured ??= ensureQueue();
      try {
        await ensured;
        const stored = await passedOver.take();
        if (stored !== undefined) return stored;
        const message = await nextMessage(signal);
        return message && holdEvent(message, connection, requests);
      } catch (error) {
        ensured = undefined;
        throw error;
      }
    },
  };
}

/** Answers by the acknowledgement protocol itself (ADR-15), where every answer can be confirmed. */
function holdEvent(message: Msg, connection: NatsConnection, requests: Requests): HeldEvent {
  const confirm = async (answer: string): Promise<void> => {
    await requests.ask(message.reply ?? '', answer, CONFIRM_TIMEOUT_MS);
  };
  // On a connection that is closed for good there is nobody to tell; the event comes back when its ack_wait ends.
  const tell = (answer: string): void => {
    if (!connection.isClosed()) message.respond(answer);
  };
  return {
    sequence: streamSequence(message.reply ?? ''),
    subjectHash: message.subject.slice(message.subject.lastIndexOf('.') + 1),
    messageId: message.headers?.get('Nats-Msg-Id') || undefined,
    trace: traceIn(message.headers),
    payload: message.data,
    ack: () => confirm('+ACK'),
    retry: (delayMs) => tell(delayMs > 0 ? `-NAK ${JSON.stringify({ delay: delayMs * 1_000_000 })}` : '-NAK'),
    // Without a reason: servers before 2.10.4 ignore a `+TERM` that carries one.
    reject: () => confirm('+TERM'),
    working: () => tell('+WPI'),
  };
}

/**
 * From `$JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.…`, in newer servers with a domain and an account
 * after `ACK`.
 */
export function streamSequence(ackSubject: string): number {
  const tokens = ackSubject.split('.');
  return Number(tokens[tokens.length === 9 ? 5 : 7] ?? 0);
}
