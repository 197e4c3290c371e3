/** Tells observers about every call, whatever becomes of it. */
import type { ServerHttp2Stream } from 'node:http2';
import {
  Metadata,
  ResponderBuilder,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
  status,
} from '@grpc/grpc-js';
import type { CallEnd, CallObservation, CallObserver, ObservedCall } from './call-observer.ts';
import type { MessageSizes } from './message-sizes.ts';

type InterceptedCall = Parameters<ServerInterceptor>[1];
type MethodDescriptor = Parameters<ServerInterceptor>[0];

export interface ObserveCallsParts {
  readonly observers: readonly CallObserver[];
  readonly sizes: MessageSizes;
  /** A call that lasts longer is one that the server ends, whatever deadline its caller set. */
  readonly maxCallMs: number;
  /** An observer threw: its own fault, which must not become the caller's. */
  readonly onFault: (error: unknown) => void;
}

/** Probes and tools, several times a minute for ever. */
const UNOBSERVED = /^\/grpc\.(?:health|reflection)\./;

/**
 * A caller's clock ends the call a moment before ours: its timeout reaches us late and is rounded up. A cancel this
 * shortly before the deadline, ms or part of the time given, is the caller's deadline.
 */
const DEADLINE_SLACK_MS = 50;
const DEADLINE_SLACK_PART = 0.1;

/**
 * The interceptor. It must be the first of the server's list, which is the one nearest to the wire: only there it
 * sees the calls that the others refuse.
 */
export function observeCalls(parts: ObserveCallsParts): ServerInterceptor {
  const observer = toldAll(parts);
  return (method, call) =>
    UNOBSERVED.test(method.path)
      ? new ServerInterceptingCall(call)
      : observeCall(method, call, observer, parts);
}

/**
 * Follows one call. Its end is where grpc-js says `cancel`, which it does after every call (measured, 1.14.7): the
 * status is on its way then, or the stream is gone. A call that is refused before it is started has no listener to
 * be told; the close of its stream is its end.
 */
function observeCall(
  method: MethodDescriptor,
  call: InterceptedCall,
  observer: CallObserver,
  { sizes, maxCallMs }: ObserveCallsParts,
): ServerInterceptingCall {
  const startedMs = performance.now();
  const sinceStartMs = (): number => performance.now() - startedMs;
  const fate = fateOf(call, maxCallMs);
  const sent = { bytesSent: 0, messagesSent: 0 };
  let messagesReceived = 0;
  let observation: CallObservation | undefined;
  let hasEnded = false;
  const begin = (metadata: Metadata): CallObservation =>
    (observation ??= observer.started({ ...descriptionOf(method, call), metadata }));
  const end = (): void => {
    if (hasEnded) return;
    hasEnded = true;
    begin(new Metadata()).ended({
      code: fate.code(),
      durationMs: sinceStartMs(),
      ...sent,
      messagesReceived,
    });
  };
  fate.onGone(end);
  const listener = new ServerListenerBuilder()
    .withOnReceiveMetadata((metadata, next) => {
      begin(metadata);
      next(metadata);
    })
    .withOnReceiveMessage((message, next) => {
      messagesReceived += 1;
      next(message);
    })
    .withOnCancel(end)
    .build();
  const responder = new ResponderBuilder()
    .withStart((next) => next(listener))
    .withSendMessage((message, next) => {
      next(message);
      // A message to a caller that is gone is not even serialised.
      const bytes = sizes.take(message);
      if (bytes === undefined) return;
      sent.bytesSent += bytes;
      sent.messagesSent += 1;
      if (sent.messagesSent === 1) observation?.firstMessage?.(sinceStartMs());
    })
    .withSendStatus((decided, next) => {
      fate.decided(decided.code);
      next(decided);
      if (!fate.hasStream) end();
    })
    .build();
  return new ServerInterceptingCall(call, responder);
}

/** How a call ended, as far as it can be seen from here. */
interface Fate {
  readonly hasStream: boolean;
  /** The handler, or another interceptor, has decided on a status. */
  decided(code: number | null | undefined): void;
  onGone(listener: () => void): void;
  code(): number;
}

/**
 * What was sent counts, then what was decided, then the clock. grpc-js sends some statuses past all interceptors
 * (deadlines, messages that are too large or cannot be decoded, a bad timeout header), so the HTTP/2 stream is asked.
 */
function fateOf(call: InterceptedCall, maxCallMs: number): Fate {
  const stream = streamOf(call);
  const deadline = deadlineOf(call);
  const arrived = Date.now();
  const givenMs = Math.max(0, deadline - arrived);
  const slackMs = Math.min(DEADLINE_SLACK_MS, givenMs * DEADLINE_SLACK_PART);
  const lateFrom = Math.min(deadline - slackMs, arrived + maxCallMs);
  let decided: number | undefined;
  return {
    hasStream: stream !== undefined,
    decided: (code) => (decided ??= code ?? status.UNKNOWN),
    onGone: (listener) => stream?.once('close', listener),
    code() {
      const sent = stream && codeSent(stream);
      if (sent !== undefined) return sent;
      if (decided !== undefined && (decided !== status.OK || stream === undefined)) return decided;
      return Date.now() >= lateFrom ? status.DEADLINE_EXCEEDED : status.CANCELLED;
    },
  };
}

/** From the trailers, or from the headers of a response that has nothing but trailers. */
function codeSent({ sentTrailers, sentHeaders }: ServerHttp2Stream): number | undefined {
  const code = sentTrailers?.['grpc-status'] ?? sentHeaders?.['grpc-status'];
  return code === undefined ? undefined : Number(code);
}

/** grpc-js has no public way to the stream; its innermost call object holds it. A test keeps this honest. */
function streamOf(call: InterceptedCall): ServerHttp2Stream | undefined {
  const { stream } = call as { stream?: ServerHttp2Stream };
  return typeof stream?.once === 'function' ? stream : undefined;
}

function deadlineOf(call: InterceptedCall): number {
  const deadline = call.getDeadline();
  return deadline instanceof Date ? deadline.getTime() : deadline;
}

function descriptionOf(method: MethodDescriptor, call: InterceptedCall): Omit<ObservedCall, 'metadata'> {
  const [, service = '', name = ''] = method.path.split('/');
  return {
    path: method.path,
    service,
    method: name,
    type: typeOf(method),
    peer: call.getPeer(),
    deadline: deadlineOf(call),
  };
}

function typeOf({ requestStream, responseStream }: MethodDescriptor): ObservedCall['type'] {
  if (requestStream) return responseStream ? 'bidi_stream' : 'client_stream';
  return responseStream ? 'server_stream' : 'unary';
}

/** All observers as one that never throws: an exception in here would end the process. */
function toldAll({ observers, onFault }: ObserveCallsParts): CallObserver {
  const guarded = <T>(act: () => T): T | undefined => {
    try {
      return act();
    } catch (error) {
      onFault(error);
      return undefined;
    }
  };
  return {
    started(call) {
      const observations = observers.map((observer) => guarded(() => observer.started(call)));
      return {
        firstMessage: (ms: number) => {
          for (const observation of observations) guarded(() => observation?.firstMessage?.(ms));
        },
        ended: (end: CallEnd) => {
          for (const observation of observations) guarded(() => observation?.ended(end));
        },
      };
    },
  };
}
