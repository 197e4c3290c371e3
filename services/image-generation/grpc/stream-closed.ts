import { constants } from 'node:http2';
import type { ServerWritableStream } from '@grpc/grpc-js';

type Call = ServerWritableStream<unknown, unknown>;

/** Time a status has to get through after the deadline, before the stream is cut off, ms. */
const GRACE_MS = 1_000;

/** Watches a call's HTTP/2 stream from its start. */
export interface StreamClosed {
  /**
   * Resolves when the stream is gone: everything was sent, or nobody reads any more. A caller that leaves the
   * rest unread beyond `deadline` (ms since the epoch) is cut off: grpc-js would keep the stream, and the image
   * in its queue, until the connection ends, as the status waits behind the unread bytes (seen with 1.14.7).
   */
  by(deadline: number): Promise<void>;
}

/**
 * `finish` comes before the last bytes have left; `cancelled`, the last event of a call, comes after. Neither comes,
 * nor a `close` of the stream, not even after a reset, when bytes wait in the stream and the peer breaks HTTP/2's rules
 * on that connection: nghttp2 then sends GOAWAY and nothing more, and Node neither reads on nor ends the session (seen
 * with 20.20; `broken-connection.test.ts`). So the cut is not left to the other side: the stream is destroyed on ours.
 */
export function streamClosed(call: Call): StreamClosed {
  const stream = http2Stream(call);
  let gone = (): void => {};
  const closed = new Promise<void>((resolve) => {
    gone = resolve;
    if (call.cancelled || stream?.destroyed === true) resolve();
    call.once('cancelled', () => resolve());
    stream?.once('close', () => resolve());
  });
  const cutOff = (): void => {
    // Told to the peer, where that is still possible.
    stream?.close(constants.NGHTTP2_CANCEL);
    stream?.destroy();
    gone();
  };
  return {
    async by(deadline) {
      const timer = setTimeout(cutOff, Math.max(0, deadline - Date.now()) + GRACE_MS);
      await closed;
      clearTimeout(timer);
    },
  };
}

interface Layer {
  readonly call?: Layer;
  readonly nextCall?: Layer;
  readonly stream?: {
    readonly destroyed: boolean;
    close(code: number): void;
    destroy(): void;
    once(event: 'close', listener: () => void): void;
  };
}

/** grpc-js has no public way to a call's stream; its innermost call object holds it. A test keeps this honest. */
function http2Stream(call: Call): Layer['stream'] {
  let layer: Layer | undefined = call as unknown as Layer;
  while (layer !== undefined && layer.stream === undefined) layer = layer.call ?? layer.nextCall;
  return layer?.stream;
}
