import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { Admission } from './admission.ts';
import type { OpenArchive } from './handoff/open-archive.ts';

/** The process's metrics: Node's own, admission, and the hand-off when archiving is on. */
export function createMetrics(admission: Admission, handoff: OpenArchive | undefined): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  gauge(registry, 'sekai_generations_running', 'Generations that run', () => admission.running);
  gauge(registry, 'sekai_generations_queued', 'Generations that wait', () => admission.queued);
  if (handoff !== undefined) {
    gauge(registry, 'sekai_spool_bytes', 'Bytes in the hand-off spool', () => handoff.spoolBytes());
    gauge(registry, 'sekai_spool_handoffs', 'Hand-offs not yet acknowledged', () => handoff.waiting());
    counter(registry, 'sekai_handoff_failures_total', 'Hand-offs that failed', () => handoff.failures());
    counter(registry, 'sekai_handoff_failed_attempts_total', 'Failed attempts at publishing', () =>
      handoff.failedAttempts(),
    );
    gauge(registry, 'sekai_nats_connected', '1 while NATS is connected', () => (handoff.connected ? 1 : 0));
    gauge(registry, 'sekai_handoff_circuit_open', '1 while NATS is not waited for', () =>
      handoff.circuitOpen ? 1 : 0,
    );
  }
  return registry;
}

function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  registry.registerMetric(
    new Gauge({
      name,
      help,
      registers: [],
      collect() {
        this.set(read());
      },
    }),
  );
}

/** A count that somebody else keeps. */
function counter(registry: Registry, name: string, help: string, read: () => number): void {
  registry.registerMetric(
    new Counter({
      name,
      help,
      registers: [],
      collect() {
        this.reset();
        this.inc(read());
      },
    }),
  );
}
