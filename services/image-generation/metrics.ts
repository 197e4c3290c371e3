/** The metrics of the service. Names, units and meanings: deploy/monitoring/README.md. */
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { ByteBudget } from '../runtime/byte-budget.ts';
import type { Admission } from './admission.ts';
import type { GenerationObserver } from './generation-observer.ts';
import type { EngineHealth } from './image-engine.ts';
import type { CallNotebook } from './grpc/call-notes.ts';
import type { CallObserver } from './grpc/call-observer.ts';
import type { OpenArchive } from './handoff/open-archive.ts';
import { createCallMetrics } from './metrics/call-metrics.ts';
import { readGauge } from './metrics/gauges.ts';
import { createGenerationMetrics } from './metrics/generation-metrics.ts';
import { createHandOffMetrics, type HandOffSettled, readHandOff } from './metrics/handoff-metrics.ts';

/** What holds something that can be looked at. */
export interface Holdings {
  /** Undefined: the engine is always there. */
  readonly engineHealth: Pick<EngineHealth, 'available'> | undefined;
  readonly admission: Pick<Admission, 'running' | 'queued'>;
  readonly deliveries: Pick<ByteBudget, 'bytesInUse'>;
  readonly deliveryMaxBytes: number;
  /** Undefined when archiving is off. */
  readonly handoff: OpenArchive | undefined;
}

export interface ServiceMetrics {
  readonly registry: Registry;
  readonly calls: CallObserver;
  readonly generations: GenerationObserver;
  readonly handOffSettled: HandOffSettled;
  /** Reads the holdings whenever metrics are collected. To be called once. */
  read(holdings: Holdings): void;
}

/** Node's own metrics, calls, generations; hand-offs and what is held, once it is there to be read. */
export function createMetrics(notebook: CallNotebook): ServiceMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    calls: createCallMetrics(registry, notebook),
    generations: createGenerationMetrics(registry),
    handOffSettled: createHandOffMetrics(registry),
    read({ engineHealth, admission, deliveries, deliveryMaxBytes, handoff }) {
      const gauge = (name: string, help: string, read: () => number): void =>
        readGauge(registry, name, help, read);
      gauge('sekai_engine_available', '1 while an image engine can be used', () =>
        engineHealth === undefined || engineHealth.available ? 1 : 0,
      );
      gauge('sekai_generations_running', 'Generations that run', () => admission.running);
      gauge('sekai_generations_queued', 'Generations that wait', () => admission.queued);
      gauge('sekai_delivery_bytes', 'Bytes of images being sent to callers', () => deliveries.bytesInUse);
      gauge('sekai_delivery_limit_bytes', 'Bytes beyond which the engine waits', () => deliveryMaxBytes);
      if (handoff !== undefined) readHandOff(registry, handoff);
    },
  };
}
