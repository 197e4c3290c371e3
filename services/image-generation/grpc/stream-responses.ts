import type { ServerWritableStream } from '@grpc/grpc-js';
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
  const write = pacedWrites(call, signal);
  try {
    for await (const response of responses) {
      signal.throwIfAborted();
      await write(response);
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

/**
 * Writes a message; resolves when the next may come, which after a cancel, when nothing is sent any more, is at once.
 * One listener for the whole call: one for each message was a tenth of a small call's CPU.
 */
function pacedWrites<Response>(
  call: ServerWritableStream<unknown, Response>,
  signal: AbortSignal,
): (response: Response) => Promise<void> | undefined {
  let waiting = 0;
  let goOn = (): void => {};
  const sent = (): void => {
    waiting -= 1;
    goOn();
  };
  signal.addEventListener('abort', () => goOn(), { once: true });
  return (response) => {
    waiting += 1;
    call.write(response, sent);
    if (waiting <= MAX_WAITING || signal.aborted) return undefined;
    return new Promise((resolve) => (goOn = resolve));
  };
}
