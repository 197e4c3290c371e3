/** Everything that watches the service: one notebook, one registry, one access log. */
import type { Logger } from '../runtime/logger.ts';
import type { Tracing } from '../runtime/tracing/tracing.ts';
import { createAccessLog } from './grpc/access-log.ts';
import { createCallNotebook } from './grpc/call-notes.ts';
import { type CallTraces, createCallTraces } from './grpc/call-traces.ts';
import type { CallWatch } from './grpc/server.ts';
import { createMetrics, type ServiceMetrics } from './metrics.ts';
import { type ObservedGeneration, observedGeneration } from './observed-generation.ts';

export interface Observation {
  readonly metrics: ServiceMetrics;
  readonly observed: ObservedGeneration;
  readonly watch: CallWatch & Pick<CallTraces, 'spanOf'>;
}

/** `maxCallMs`: longest a call may take, whatever deadline its caller set. */
export function createObservation(logger: Logger, maxCallMs: number, tracing: Tracing): Observation {
  const notebook = createCallNotebook();
  const metrics = createMetrics(notebook);
  const traces = createCallTraces(tracing, notebook);
  return {
    metrics,
    observed: observedGeneration(metrics.generations),
    watch: {
      spanOf: (call) => traces.spanOf(call),
      observers: [metrics.calls, createAccessLog(logger, notebook), traces.observer],
      notebook,
      maxCallMs,
      onFault: (error) => logger.error({ err: error }, 'a call observer failed'),
    },
  };
}
