import type { Metadata } from '@grpc/grpc-js';

/** What handlers know of a call and observers do not. Nothing in it is secret; prompts never get here. */
export interface CallNotes {
  readonly requestId?: string;
  /** The name of who calls. */
  readonly caller?: string;
  /** `ErrorInfo.reason` of a call that failed. */
  readonly reason?: string;
  /** Of the trace that the call belongs to; in this spelling everywhere, so that logs and traces join. */
  readonly trace_id?: string;
  readonly promptBytes?: number;
  readonly promptHash?: string;
  /** What a peer called that does not exist. */
  readonly unknownPath?: string;
}

/** Notes on calls under way, kept as long as the call. */
export interface CallNotebook {
  /** Adds to what is noted. Notes that come after the call's end are lost. */
  note(call: { readonly metadata: Metadata }, notes: CallNotes): void;
  of(call: { readonly metadata: Metadata }): CallNotes;
}

/**
 * A call's metadata is one object from the wire to the handler (grpc-js 1.14.7), and so names the call. Interceptors
 * in between must pass on that object, not a copy.
 */
export function createCallNotebook(): CallNotebook {
  const pages = new WeakMap<Metadata, CallNotes>();
  return {
    note: ({ metadata }, notes) => void pages.set(metadata, { ...pages.get(metadata), ...notes }),
    of: ({ metadata }) => pages.get(metadata) ?? {},
  };
}
