import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { backoffDelayMs } from '../services/runtime/backoff.ts';
import type { Logger } from '../services/runtime/logger.ts';
import type { ArchiverMetrics } from './archiver-metrics.ts';
import type { Breaker, Permit } from './breaker.ts';
import type { EventSource, HeldEvent } from './event-source.ts';
import type { SettleEvent } from './settle-event.ts';

export interface ArchiveLoopParts {
  readonly source: EventSource;
  readonly settle: SettleEvent;
  readonly breaker: Breaker;
  /** Most events held at a time. */
  readonly held: number;
  readonly log: Logger;
  readonly metrics: ArchiverMetrics;
}

export interface ArchiveLoop {
  /** Events held now. */
  readonly inFlight: number;
  /**
   * Stops pulling and finishes what is held; after `softMs` aborts what is left and gives it back.
   * Returns when nothing is held any more. Idempotent.
   */
  stop(softMs: number): Promise<void>;
}

const QUEUE_BACKOFF = { baseMs: 500, maxMs: 10_000 };

/**
 * Starts `held` workers, each of which takes one event at a time: what is not being worked on is not
 * pulled, so nothing waits in a client-side buffer while its `ack_wait` runs out.
 */
export function startArchiveLoop(parts: ArchiveLoopParts): ArchiveLoop {
  const softStop = new AbortController();
  const hardStop = new AbortController();
  // Every held event listens, several times; that is no leak.
  setMaxListeners(0, softStop.signal, hardStop.signal);
  const held = { count: 0 };
  const reportQueue = queueReporter(parts.log);
  const workers = Array.from({ length: parts.held }, () =>
    work(parts, held, reportQueue, softStop.signal, hardStop.signal),
  );
  let stopped: Promise<void> | undefined;
  const stop = async (softMs: number): Promise<void> => {
    softStop.abort();
    const deadline = setTimeout(() => hardStop.abort(new Error('archiver stops')), softMs);
    await Promise.all(workers);
    clearTimeout(deadline);
  };
  return {
    get inFlight() {
      return held.count;
    },
    stop: (softMs) => (stopped ??= stop(softMs)),
  };
}

async function work(
  parts: ArchiveLoopParts,
  held: { count: number },
  reportQueue: QueueReporter,
  softStop: AbortSignal,
  hardStop: AbortSignal,
): Promise<void> {
  let failures = 0;
  for (;;) {
    const permit = await parts.breaker.enter(softStop);
    if (permit === undefined) return;
    let event: HeldEvent | undefined;
    try {
      event = await parts.source.next(softStop);
      failures = 0;
      reportQueue(undefined);
    } catch (error) {
      permit.settle({ target: 'unknown' });
      reportQueue(error);
      // An abort only cuts the pause short: the loop ends above.
      await delay(backoffDelayMs(failures++, QUEUE_BACKOFF), undefined, { signal: softStop }).catch(() => {});
      continue;
    }
    held.count += event === undefined ? 0 : 1;
    await handle(parts, permit, event, hardStop);
    held.count -= event === undefined ? 0 : 1;
  }
}

async function handle(
  { settle, breaker, metrics }: ArchiveLoopParts,
  permit: Permit,
  event: HeldEvent | undefined,
  hardStop: AbortSignal,
): Promise<void> {
  if (event === undefined) return permit.settle({ target: 'unknown' });
  if (permit.revoked) {
    // It was asked for before the breaker opened. Back it goes, to come when probes may pass.
    event.retry(probesFrom(breaker));
    metrics.retried('breaker_open');
    return permit.settle({ target: 'unknown' });
  }
  permit.settle(await settle(event, hardStop, () => (permit.revoked ? probesFrom(breaker) : undefined)));
}

/** When probes may pass and a little later, so that not all come at once, ms. */
const probesFrom = ({ openForMs }: Breaker): number => openForMs + backoffDelayMs(0, QUEUE_BACKOFF);

type QueueReporter = (error: unknown) => void;

/** One line when the queue cannot be read any more and one when it can again, however many workers notice. */
function queueReporter(log: Logger): QueueReporter {
  let failing = false;
  return (error) => {
    if (error !== undefined && !failing) {
      log.warn({ err: error }, 'Archive: the queue cannot be read, trying again');
    }
    if (error === undefined && failing) log.info('Archive: the queue can be read again');
    failing = error !== undefined;
  };
}
