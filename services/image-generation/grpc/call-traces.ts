/** The server span of each call: from its first header to its true end, whatever becomes of it. */
import { type Metadata, status } from '@grpc/grpc-js';
import {
  NO_SPAN,
  type Span,
  type TraceCarrier,
  traceFacts,
  type Tracing,
} from '../../runtime/tracing/tracing.ts';
import type { CallNotebook } from './call-notes.ts';
import { type CallObserver, type ObservedCall, UNKNOWN_METHOD } from './call-observer.ts';
import { statusName } from './status-names.ts';

export interface CallTraces {
  readonly observer: CallObserver;
  /** The span of a call that has been observed. */
  spanOf(call: { readonly metadata: Metadata }): Span;
}

/**
 * Statuses for which the server is at fault, by the semantic conventions for gRPC server spans 1.45. The others, such
 * as CANCELLED, are the caller's own doing.
 */
const SERVER_FAULTS: ReadonlySet<number> = new Set([
  status.UNKNOWN,
  status.DEADLINE_EXCEEDED,
  status.UNIMPLEMENTED,
  status.INTERNAL,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

/** A call's metadata is one object from the wire to the handler, and so names the call (see call-notes.ts). */
export function createCallTraces(tracing: Tracing, notebook: CallNotebook): CallTraces {
  const spans = new WeakMap<Metadata, Span>();
  return {
    observer: {
      started(call) {
        const span = tracing.start(rpcMethod(call), carrierOf(call.metadata), {
          kind: 'server',
          attributes: { 'rpc.system.name': 'grpc', 'rpc.method': rpcMethod(call), ...peerAttributes(call) },
        });
        spans.set(call.metadata, span);
        notebook.note(call, traceFacts(span));
        return {
          firstMessage: (sinceStartMs) => span.set({ 'sekai.first_message_ms': Math.round(sinceStartMs) }),
          ended({ code, bytesSent, messagesSent }) {
            const { caller, requestId, promptBytes, reason } = notebook.of(call);
            const word = statusName(code);
            span.set({
              'rpc.status_code': word,
              'sekai.caller': caller,
              'sekai.request_id': requestId,
              'sekai.prompt_bytes': promptBytes,
              'sekai.error_reason': reason,
              'sekai.bytes_sent': bytesSent,
              'sekai.messages_sent': messagesSent,
            });
            span.end(SERVER_FAULTS.has(code) ? { errorType: word } : undefined);
          },
        };
      },
    },
    spanOf: ({ metadata }) => spans.get(metadata) ?? NO_SPAN,
  };
}

/** "package.Service/Method"; peers must not make up names. */
const rpcMethod = ({ method, path }: ObservedCall): string =>
  method === UNKNOWN_METHOD ? UNKNOWN_METHOD : path.slice(1);

function peerAttributes({ peer }: ObservedCall) {
  const [, address, port] = /^(.*):(\d+)$/.exec(peer) ?? [];
  return {
    'network.peer.address': address?.replace(/^\[(.*)\]$/, '$1'),
    'network.peer.port': port === undefined ? undefined : Number(port),
  };
}

function carrierOf(metadata: Metadata): TraceCarrier {
  const [traceparent] = metadata.get('traceparent');
  if (typeof traceparent !== 'string') return {};
  const tracestate = metadata.get('tracestate').join(',');
  return tracestate === '' ? { traceparent } : { traceparent, tracestate };
}
