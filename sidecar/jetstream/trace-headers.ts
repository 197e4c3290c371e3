import type { MsgHdrs } from 'nats';
import type { TraceCarrier } from '../../services/runtime/tracing/tracing.ts';

/** The W3C trace context among a message's headers; empty without one. */
export function traceIn(headers: MsgHdrs | undefined): TraceCarrier {
  const traceparent = headers?.get('traceparent') ?? '';
  const tracestate = headers?.get('tracestate') ?? '';
  return { ...(traceparent === '' ? {} : { traceparent }), ...(tracestate === '' ? {} : { tracestate }) };
}
