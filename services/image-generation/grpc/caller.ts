import type { ServerWritableStream, ServerUnaryCall } from '@grpc/grpc-js';

/** Who calls, for admission, logs and metrics. Until callers authenticate themselves: the host they call from. */
export function callerOf(
  call: Pick<ServerWritableStream<unknown, unknown> | ServerUnaryCall<unknown, unknown>, 'getPeer'>,
): string {
  return hostOf(call.getPeer());
}

/** The host of "10.0.0.7:51234" or "[::1]:51234". */
function hostOf(peer: string): string {
  return peer.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}
