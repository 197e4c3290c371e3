import { Counter, Histogram, type Registry } from 'prom-client';
import type { OpenArchive } from '../handoff/open-archive.ts';
import { readCounter, readGauge } from './gauges.ts';

/** From the round trip of a broker at hand to the outage of an afternoon. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 14_400];

/** Hears how each hand-off of this process ended; `elapsedMs` since it was given to the archive. */
export type HandOffSettled = (state: 'queued' | 'failed', elapsedMs: number) => void;

export function createHandOffMetrics(registry: Registry): HandOffSettled {
  const seconds = new Histogram({
    name: 'sekai_handoff_seconds',
    help: 'Time from the hand-off of a pair to its acknowledgement by JetStream',
    buckets: BUCKETS,
    registers: [registry],
  });
  const ended = new Counter({
    name: 'sekai_handoffs_total',
    help: 'Hand-offs of this process that ended, by archive state',
    labelNames: ['archive_state'],
    registers: [registry],
  });
  for (const state of ['queued', 'failed'] as const) ended.inc({ archive_state: state }, 0);
  return (state, elapsedMs) => {
    ended.inc({ archive_state: state });
    if (state === 'queued') seconds.observe(elapsedMs / 1_000);
  };
}

/** What the open archive holds, read whenever metrics are collected. */
export function readHandOff(registry: Registry, handoff: OpenArchive): void {
  const gauge = (name: string, help: string, read: () => number): void =>
    readGauge(registry, name, help, read);
  gauge('sekai_spool_bytes', 'Bytes in the hand-off spool', () => handoff.spoolBytes());
  gauge('sekai_spool_limit_bytes', 'Most bytes the spool may hold', () => handoff.spoolMaxBytes);
  gauge('sekai_spool_files', 'Files in the hand-off spool', () => handoff.spoolFiles());
  gauge('sekai_spool_oldest_age_seconds', 'Age of the oldest hand-off in the spool, 0 when empty', () => {
    const oldest = handoff.oldestHandOffMs();
    return oldest === undefined ? 0 : Math.max(0, Date.now() - oldest) / 1_000;
  });
  gauge('sekai_spool_handoffs', 'Hand-offs not yet acknowledged', () => handoff.waiting());
  readCounter(registry, 'sekai_handoff_failures_total', 'Hand-offs that failed', () => handoff.failures());
  readCounter(registry, 'sekai_handoff_failed_attempts_total', 'Failed attempts at publishing', () =>
    handoff.failedAttempts(),
  );
  gauge('sekai_nats_connected', '1 while NATS is connected', () => (handoff.connected ? 1 : 0));
  gauge('sekai_handoff_circuit_open', '1 while NATS is not waited for', () => (handoff.circuitOpen ? 1 : 0));
}
