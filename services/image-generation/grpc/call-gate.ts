import {
  type Metadata,
  ResponderBuilder,
  type ServerInterceptor,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  ServerListenerBuilder,
} from '@grpc/grpc-js';
import { toStatus } from './status.ts';

/** A call that has shown its metadata and nothing else. */
export interface ArrivingCall {
  /** "/package.Service/Method", as the caller wrote it. */
  readonly path: string;
  /** May be changed: what comes later sees the change. */
  readonly metadata: Metadata;
  readonly call: ServerInterceptingCallInterface;
}

/** Returns why the call is refused, or undefined. */
export type CallCheck = (call: ArrivingCall) => Error | undefined;

/**
 * Makes the checks, in their order, before the handler starts; the first error is the call's end. One interceptor
 * for all of them: each layer costs every message of every call.
 */
export function callGate(checks: readonly CallCheck[]): ServerInterceptor {
  return ({ path }, call) => {
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        for (const check of checks) {
          const error = check({ path, metadata, call });
          // Without `next` the handler never starts.
          if (error !== undefined) return call.sendStatus(toStatus(error));
        }
        next(metadata);
      })
      .build();
    const responder = new ResponderBuilder().withStart((next) => next(listener)).build();
    return new ServerInterceptingCall(call, responder);
  };
}
