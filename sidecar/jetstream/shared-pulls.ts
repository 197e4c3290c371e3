import type { Msg } from 'nats';

/** Asks for `batch` messages and hands them to `take`; settles when no more of them will come. */
export type Pull = (batch: number, signal: AbortSignal, take: (message: Msg) => void) => Promise<void>;

interface Waiter {
  readonly resolve: (message: Msg | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Takes one message for each call, and pulls once for all calls of a turn of the event loop: a pull costs the server
 * and us about as much as a message. There is a caller for each message that is asked for, so none waits in a buffer.
 * Calls with different signals are pulled for apart, as one may be aborted without the other.
 */
export function sharePulls(pull: Pull): (signal: AbortSignal) => Promise<Msg | undefined> {
  const gathering = new Map<AbortSignal, Waiter[]>();

  const pullFor = async (waiters: Waiter[], signal: AbortSignal): Promise<void> => {
    try {
      if (!signal.aborted) await pull(waiters.length, signal, (message) => waiters.shift()?.resolve(message));
      for (const { resolve } of waiters) resolve(undefined);
    } catch (error) {
      for (const { reject } of waiters) reject(error);
    }
  };

  return (signal) =>
    new Promise((resolve, reject) => {
      const waiter = { resolve, reject };
      const gathered = gathering.get(signal);
      if (gathered !== undefined) return void gathered.push(waiter);
      const waiters = [waiter];
      gathering.set(signal, waiters);
      setImmediate(() => {
        gathering.delete(signal);
        void pullFor(waiters, signal);
      });
    });
}
