/** Every call in the names of go-grpc-middleware, so that existing dashboards fit; callers and reasons in ours. */
import { Counter, Histogram, type Registry } from 'prom-client';
import type { CallNotebook } from '../grpc/call-notes.ts';
import type { CallEnd, CallObserver, ObservedCall } from '../grpc/call-observer.ts';
import { OBSERVED_METHODS } from '../grpc/observed-methods.ts';
import { statusName, statusTitle } from '../grpc/status-names.ts';
import { createLabelBound } from './label-bound.ts';

/** Callers with a series of their own. */
const MAX_CALLERS = 100;
/** There are fewer: all are words of our own code. */
const MAX_REASONS = 100;
/** A generation takes from a tenth of a second to minutes. */
const HANDLING_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120];
/** Reasons whose rates somebody watches: they start at 0. */
const KNOWN_REASONS = [
  'QUEUE_FULL',
  'SHUTTING_DOWN',
  'REQUEST_IN_PROGRESS',
  'ARCHIVE_DISABLED',
  'ARCHIVE_UNAVAILABLE',
  'ARCHIVE_DEADLINE',
  'DEADLINE',
  'CANCELLED',
  'INTERNAL',
  'UNAUTHENTICATED',
  'UNIMPLEMENTED',
];

const METHOD = ['grpc_type', 'grpc_service', 'grpc_method'] as const;

export function createCallMetrics(registry: Registry, notebook: CallNotebook): CallObserver {
  const parts = { ...grpcMetrics(registry), ...ourMetrics(registry) };
  const callerLabel = createLabelBound(MAX_CALLERS);
  const reasonLabel = createLabelBound(MAX_REASONS);
  initialise(parts);
  for (const reason of KNOWN_REASONS) parts.errors.inc({ reason: reasonLabel(reason) }, 0);

  function ended(call: ObservedCall, end: CallEnd): void {
    const labels = labelsOf(call);
    const code = statusTitle(end.code);
    parts.handled.inc({ ...labels, grpc_code: code });
    parts.seconds.observe(labels, end.durationMs / 1_000);
    parts.received.inc(labels, end.messagesReceived);
    parts.sent.inc(labels, end.messagesSent);
    parts.bytes.inc({ grpc_method: call.method }, end.bytesSent);
    const { caller = 'unknown', reason } = notebook.of(call);
    parts.callers.inc({ caller: callerLabel(caller), grpc_code: code });
    if (code !== 'OK') parts.errors.inc({ reason: reasonLabel(reason ?? defaultReason(end.code)) });
  }

  return {
    started(call) {
      parts.started.inc(labelsOf(call));
      return { ended: (end) => ended(call, end) };
    },
  };
}

/** Calls that ended without their handler's doing have no `ErrorInfo`; a deadline is one by whichever clock. */
function defaultReason(code: number): string {
  const name = statusName(code);
  return name === 'DEADLINE_EXCEEDED' ? 'DEADLINE' : name;
}

const labelsOf = ({ type, service, method }: Pick<ObservedCall, 'type' | 'service' | 'method'>) => ({
  grpc_type: type,
  grpc_service: service,
  grpc_method: method,
});

function grpcMetrics(registry: Registry) {
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> =>
    new Counter({ name, help, labelNames, registers: [registry] });
  return {
    started: counter('grpc_server_started_total', 'Calls that arrived', METHOD),
    handled: counter('grpc_server_handled_total', 'Calls that ended, by code', [...METHOD, 'grpc_code']),
    received: counter('grpc_server_msg_received_total', 'Messages from callers', METHOD),
    sent: counter('grpc_server_msg_sent_total', 'Messages to callers', METHOD),
    seconds: new Histogram({
      name: 'grpc_server_handling_seconds',
      help: 'Time from the arrival of a call to its end',
      labelNames: METHOD,
      buckets: HANDLING_BUCKETS,
      registers: [registry],
    }),
  };
}

function ourMetrics(registry: Registry) {
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> =>
    new Counter({ name, help, labelNames, registers: [registry] });
  return {
    bytes: counter('sekai_response_bytes_total', 'Bytes of messages to callers', ['grpc_method']),
    callers: counter('sekai_caller_calls_total', 'Calls that ended, by caller', ['caller', 'grpc_code']),
    errors: counter('sekai_call_errors_total', 'Calls that did not end OK, by reason', ['reason']),
  };
}

/** A series that appears with its first event has no rate for it: all start at 0. */
function initialise({
  started,
  handled,
  received,
  sent,
  seconds,
  bytes,
}: Omit<ReturnType<typeof grpcMetrics> & ReturnType<typeof ourMetrics>, 'callers' | 'errors'>): void {
  for (const method of OBSERVED_METHODS) {
    const labels = labelsOf(method);
    for (const counter of [started, received, sent]) counter.inc(labels, 0);
    for (const code of method.codes) handled.inc({ ...labels, grpc_code: statusTitle(code) }, 0);
    bytes.inc({ grpc_method: method.method }, 0);
    seconds.zero(labels);
  }
}
