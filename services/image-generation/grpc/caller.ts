import type { Metadata } from '@grpc/grpc-js';

/** Metadata from the wire has only text keys, so that no caller can set this one. */
const CALLER = Symbol('caller');

/** What both calls and interceptors have of a call. */
export interface IdentifiedCall {
  readonly metadata: Metadata;
  getPeer(): string;
}

/** Writes down who the call is from; only for authentication, once per call. */
export function setCaller(metadata: Metadata, caller: string): void {
  Object.defineProperty(metadata, CALLER, { value: caller });
}

/**
 * Who calls, for admission, logs and metrics: the name of the token, else of the client certificate; without
 * either the host they call from.
 */
export function callerOf(call: IdentifiedCall): string {
  return (call.metadata as { [CALLER]?: string })[CALLER] ?? hostOf(call.getPeer());
}

/** The host of "10.0.0.7:51234" or "[::1]:51234". */
export function hostOf(peer: string): string {
  return peer.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}
