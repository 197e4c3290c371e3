/** Port: who wants to know of every call, such as metrics, the access log and traces. */
import type { Metadata } from '@grpc/grpc-js';

/** Service and method names of a call to a method that this server does not have: peers must not make up labels. */
export const UNKNOWN_SERVICE = 'unknown';
export const UNKNOWN_METHOD = '_OTHER';

/** What is known of a call when it arrives. */
export interface ObservedCall {
  /** "/package.Service/Method"; of a method that does not exist always "/unknown/_OTHER". */
  readonly path: string;
  readonly service: string;
  readonly method: string;
  readonly type: 'unary' | 'client_stream' | 'server_stream' | 'bidi_stream';
  /** The very object that the handler sees as `call.metadata`; empty when the call was refused before it was read. */
  readonly metadata: Metadata;
  /** Address and port, such as "10.0.0.7:51234". */
  readonly peer: string;
  /** Milliseconds since the epoch; Infinity when the caller set none. */
  readonly deadline: number;
}

export interface CallEnd {
  /** The gRPC status the caller got; for callers that went away CANCELLED or DEADLINE_EXCEEDED. */
  readonly code: number;
  readonly durationMs: number;
  /** Serialised messages, without gRPC's five bytes before each. */
  readonly bytesSent: number;
  readonly messagesSent: number;
  readonly messagesReceived: number;
}

export interface CallObservation {
  /** The first message is on its way to the caller. */
  firstMessage?(sinceStartMs: number): void;
  /** Exactly once for every call: when its status is on its way, or nobody is there to take one. */
  ended(end: CallEnd): void;
}

export interface CallObserver {
  started(call: ObservedCall): CallObservation;
}
