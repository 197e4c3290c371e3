import { createInbox, type Msg, type MsgHdrs, type NatsConnection } from 'nats';

export interface PullTimings {
  /** One request's life, ms. */
  readonly expiresMs: number;
  /** How often the server says that the request still stands, ms; less than half of `expiresMs`. */
  readonly heartbeatMs: number;
}

/** How long a request that is given up waits for a message that may be on its way, ms. */
const LAST_MESSAGE_MS = 1_000;
const NANOSECONDS = 1_000_000;

/**
 * Asks a consumer for one message, by the pull protocol itself (ADR-13). The client library's `fetch` leaves a
 * listener behind for every call (2.29.3), which is one per event; its `consume` pulls ahead, and what waits in its
 * buffer while all workers are busy burns its `ack_wait` unreported.
 *
 * Resolves with undefined when no message came in time, or `signal` was aborted and none was on its way.
 * @throws {Error} when the consumer is gone or the server is silent.
 */
export function pullMessage(
  connection: NatsConnection,
  subject: string,
  { expiresMs, heartbeatMs }: PullTimings,
  signal: AbortSignal,
): Promise<Msg | undefined> {
  const inbox = createInbox();
  return new Promise((resolve, reject) => {
    const end = (act: () => void): void => {
      clearTimeout(silence);
      signal.removeEventListener('abort', giveUp);
      subscription.unsubscribe();
      act();
    };
    const fail = (error: Error): void => end(() => reject(error));
    const giveUp = (): void => {
      const nothing = (): void => end(() => resolve(undefined));
      clearTimeout(silence);
      silence = setTimeout(nothing, LAST_MESSAGE_MS);
      // The server stops sending; what it has sent arrives before the drain ends.
      void subscription.drain().then(nothing, nothing);
    };
    const onSilence = (): void => fail(new Error('NATS: no sign of life from the consumer'));
    let silence = setTimeout(onSilence, 2 * heartbeatMs + LAST_MESSAGE_MS);
    const subscription = connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error) return fail(error);
        if (message.subject !== inbox) return end(() => resolve(message));
        const answer = readStatus(message.headers);
        if (answer === 'heartbeat' && !signal.aborted) silence.refresh();
        if (answer === 'expired') end(() => resolve(undefined));
        if (answer instanceof Error) fail(answer);
      },
    });
    signal.addEventListener('abort', giveUp, { once: true });
    const request = {
      batch: 1,
      expires: expiresMs * NANOSECONDS,
      idle_heartbeat: heartbeatMs * NANOSECONDS,
    };
    connection.publish(subject, JSON.stringify(request), { reply: inbox });
    if (signal.aborted) giveUp();
  });
}

function readStatus(headers: MsgHdrs | undefined): 'heartbeat' | 'expired' | Error {
  const code = headers?.code ?? 0;
  if (code === 100) return 'heartbeat';
  if (code === 404 || code === 408) return 'expired';
  return new Error(`NATS: the consumer answered ${code} ${headers?.description ?? ''}`);
}
