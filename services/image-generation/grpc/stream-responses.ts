import type { ServerWritableStream } from '@grpc/grpc-js';
import { untilAborted } from '../../runtime/until-aborted.ts';
import type { CallSignal } from './call-signal.ts';
import { toStatus } from './status.ts';

/**
 * Messages that may wait in the stream. grpc-js would let 16 wait, whatever their size, and serialises one at a
 * time: more than two make nothing faster, but hold more bytes for a slow caller.
 */
const MAX_WAITING = 2;

/**
 * Writes what `responses` yields to `call`, at the caller's pace, and ends the call with OK or the error's
 * status. Leaves the generator when the signal aborts. Resolves with the error the call ended with.
 *
 * Not `stream.pipeline` and not `call.destroy`: with either, a failing source leaves the caller without a
 * status, waiting for its own deadline (measured, grpc-js 1.14.7).
 */
export async function streamResponses<Response>(
  call: ServerWritableStream<unknown, Response>,
  responses: AsyncIterable<Response>,
  { signal, settle }: CallSignal,
): Promise<unknown> {
  const waiting: Promise<void>[] = [];
  try {
    for await (const response of responses) {
      signal.throwIfAborted();
      waiting.push(write(call, response));
      // After a cancel nothing is written any more; the signal ends the wait.
      if (waiting.length > MAX_WAITING) await untilAborted(Promise.resolve(waiting.shift()), signal);
    }
    signal.throwIfAborted();
    settle();
    call.end();
    return undefined;
  } catch (thrown) {
    const error: unknown = signal.aborted ? signal.reason : thrown;
    settle();
    // A call that is gone takes no status any more; emitting on it does no harm and covers our own deadline.
    call.emit('error', toStatus(error));
    return error;
  }
}

/** Writes a message; resolves when the stream has taken it over for sending. */
function write<Response>(call: ServerWritableStream<unknown, Response>, response: Response): Promise<void> {
  return new Promise((resolve) => {
    call.write(response, () => resolve());
  });
}
