import { createInbox, type Msg, type MsgHdrs, type NatsConnection } from 'nats';

export interface PullTimings {
  /** One request's life, ms. */
  readonly expiresMs: number;
  /** How often the server says that the request still stands, ms; less than half of `expiresMs`. */
  readonly heartbeatMs: number;
}

export interface PullRequest {
  /** Of the consumer's NEXT API. */
  readonly subject: string;
  /** Messages at most. */
  readonly batch: number;
  readonly timings: PullTimings;
}

/** How long a request that is given up waits for messages that may be on their way, ms. */
const LAST_MESSAGE_MS = 1_000;
const NANOSECONDS = 1_000_000;

/**
 * Asks a consumer for messages, by the pull protocol itself (ADR-13), and hands them to `take` as they come. The
 * client library's `fetch` leaves a listener behind for every call (2.29.3); its `consume` pulls ahead, and what
 * waits in its buffer while all workers are busy burns its `ack_wait` unreported.
 *
 * Resolves when no more will come: all have, the time is up, or `signal` was aborted and none is on its way.
 * @throws {Error} when the consumer is gone or the server is silent.
 */
export function pullMessages(
  connection: NatsConnection,
  { subject, batch, timings: { expiresMs, heartbeatMs } }: PullRequest,
  signal: AbortSignal,
  take: (message: Msg) => void,
): Promise<void> {
  const inbox = createInbox();
  let missing = batch;
  return new Promise((resolve, reject) => {
    const end = (act: () => void): void => {
      clearTimeout(silence);
      signal.removeEventListener('abort', giveUp);
      subscription.unsubscribe();
      act();
    };
    const fail = (error: Error): void => end(() => reject(error));
    const giveUp = (): void => {
      const nothing = (): void => end(resolve);
      clearTimeout(silence);
      silence = setTimeout(nothing, LAST_MESSAGE_MS);
      // The server stops sending; what it has sent arrives before the drain ends.
      void subscription.drain().then(nothing, nothing);
    };
    const onSilence = (): void => fail(new Error('NATS: no sign of life from the consumer'));
    let silence = setTimeout(onSilence, 2 * heartbeatMs + LAST_MESSAGE_MS);
    const onMessage = (message: Msg): void => {
      missing -= 1;
      take(message);
      if (missing === 0) end(resolve);
      else if (!signal.aborted) silence.refresh();
    };
    const subscription = connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error) return fail(error);
        if (message.subject !== inbox) return onMessage(message);
        const answer = readStatus(message.headers);
        if (answer === 'heartbeat' && !signal.aborted) silence.refresh();
        if (answer === 'expired') end(resolve);
        if (answer instanceof Error) fail(answer);
      },
    });
    signal.addEventListener('abort', giveUp, { once: true });
    const request = {
      batch,
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
