import type { ServerWritableStream } from '@grpc/grpc-js';
import { once } from 'node:events';
import type { CallSignal } from './call-signal.ts';
import { toStatus } from './status.ts';

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
  try {
    for await (const response of responses) {
      signal.throwIfAborted();
      // After a cancel `drain` never comes; the signal ends the wait.
      if (!call.write(response)) await once(call, 'drain', { signal });
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
