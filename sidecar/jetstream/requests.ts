import { createInbox, ErrorCode, type Msg, type NatsConnection, NatsError } from 'nats';

/** Asks NATS and waits for the one answer. */
export interface Requests {
  /**
   * @throws {NatsError} when nobody listens, nothing came within `timeoutMs`, or the connection has closed.
   */
  ask(subject: string, payload: string, timeoutMs: number): Promise<Msg>;
}

interface Asked {
  readonly timer: NodeJS.Timeout;
  readonly answer: (message: Msg) => void;
  readonly fail: (error: unknown) => void;
}

const NO_RESPONDERS = 503;

/**
 * Requests over one subscription, which ends with the connection. Like the client library's own, but that makes an
 * error with its stack for each request that is answered (2.29.3): a tenth of the work for an event.
 */
export function createRequests(connection: NatsConnection): Requests {
  const inbox = `${createInbox()}.`;
  const asked = new Map<string, Asked>();
  let count = 0;

  const take = (token: string): Asked | undefined => {
    const found = asked.get(token);
    clearTimeout(found?.timer);
    asked.delete(token);
    return found;
  };
  const failAll = (error: unknown): void => {
    for (const token of asked.keys()) take(token)?.fail(error);
  };
  const subscription = connection.subscribe(`${inbox}*`, {
    callback: (error, message) => {
      if (error) return failAll(error);
      const request = take(message.subject.slice(inbox.length));
      const silent = message.data.length === 0 && message.headers?.code === NO_RESPONDERS;
      if (silent) request?.fail(NatsError.errorForCode(ErrorCode.NoResponders));
      else request?.answer(message);
    },
  });
  void subscription.closed.then(() => failAll(NatsError.errorForCode(ErrorCode.ConnectionClosed)));

  return {
    ask: (subject, payload, timeoutMs) =>
      new Promise((answer, fail) => {
        count += 1;
        const token = count.toString(36);
        connection.publish(subject, payload, { reply: inbox + token });
        const timer = setTimeout(
          () => take(token)?.fail(NatsError.errorForCode(ErrorCode.Timeout)),
          timeoutMs,
        );
        asked.set(token, { timer, answer, fail });
      }),
  };
}
