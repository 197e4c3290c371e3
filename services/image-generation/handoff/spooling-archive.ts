/** The archive as the use case sees it: first the spool file, then, beside the caller's stream, the broker. */
import { randomUUID } from 'node:crypto';
import { pairKeys } from '../../../proto/archive-event.ts';
import type { Logger } from '../../runtime/logger.ts';
import { traceFacts, traceIdOf } from '../../runtime/tracing/tracing.ts';
import type { Archive, ArchivePair, HandOff, HandOffState } from '../archive.ts';
import type { Circuit } from './circuit.ts';
import type { Drainer } from './drainer.ts';
import type { SpooledHandOff } from './spool-file.ts';
import type { Spool } from './spool.ts';

export interface SpoolingArchiveDependencies {
  readonly bucket: string;
  readonly prefix: string;
  readonly spool: Spool;
  readonly drainer: Drainer;
  readonly circuit: Circuit;
  readonly logger: Logger;
  /** Wait that a healthy broker keeps, ms; a longer one opens the circuit. */
  readonly handoffDeadlineMs: number;
  /** Bytes that may be on their way to the disk at once. */
  readonly maxPendingBytes: number;
  /** Hears how each hand-off ended, and how long after it was handed over, ms. */
  readonly onSettled?: (state: SettledState, elapsedMs: number) => void;
}

type Phase = 'writing' | HandOffState;
type SettledState = Exclude<HandOffState, 'spooled'>;

export interface SpoolingArchive extends Archive {
  /** Hand-offs that failed, since the start. */
  readonly failures: number;
  /** Resolves when no file is being written any more. */
  written(): Promise<void>;
}

/** Builds the archive; it owns none of its dependencies. */
export function createSpoolingArchive(dependencies: SpoolingArchiveDependencies): SpoolingArchive {
  const { bucket, prefix, spool, drainer, logger, maxPendingBytes, onSettled } = dependencies;
  const writing = new Set<Promise<void>>();
  let pendingBytes = 0;
  let failures = 0;

  function handOff(pair: ArchivePair): HandOff {
    const spooled: SpooledHandOff = { ...pair, handoffId: randomUUID(), createTime: new Date() };
    const begunAtMs = performance.now();
    const phases = createPhases((state) => onSettled?.(state, performance.now() - begunAtMs));
    const bytes = pair.image.length + pair.record.length;
    if (pendingBytes + bytes > maxPendingBytes) {
      fail(spooled, phases, new Error(`${pendingBytes} bytes wait for the disk already`));
    } else {
      pendingBytes += bytes;
      const write = spoolAndQueue(spooled, phases).finally(() => {
        pendingBytes -= bytes;
        writing.delete(write);
      });
      writing.add(write);
    }
    return {
      id: spooled.handoffId,
      state: (maxWaitMs) => stateWithin(phases, maxWaitMs, begunAtMs, dependencies),
    };
  }

  async function spoolAndQueue(spooled: SpooledHandOff, phases: Phases): Promise<void> {
    try {
      const entry = await spool.add(spooled);
      phases.enter('spooled');
      drainer.add(entry, spooled, (state) => {
        if (state === 'failed') failures += 1;
        phases.enter(state);
      });
    } catch (error) {
      fail(spooled, phases, error);
    }
  }

  function fail(spooled: SpooledHandOff, phases: Phases, error: unknown): void {
    const { imageHash, requestId, handoffId: handOffId, trace } = spooled;
    failures += 1;
    phases.enter('failed');
    logger.error(
      { imageHash, requestId, handOffId, ...traceFacts({ traceId: traceIdOf(trace) }), err: error },
      `Internal S3: Failed to upload ${pairKeys(prefix, imageHash).image}: it could not be handed over`,
    );
  }

  return {
    bucket,
    prefix,
    get failures() {
      return failures;
    },
    handOff,
    async written() {
      while (writing.size > 0) await Promise.all(writing);
    },
  };
}

/** How safe a hand-off is after at most `maxWaitMs`; opens the circuit when the broker has had its time. */
async function stateWithin(
  phases: Phases,
  maxWaitMs: number,
  begunAtMs: number,
  { circuit, handoffDeadlineMs }: SpoolingArchiveDependencies,
): Promise<HandOffState> {
  const settled = (): boolean =>
    phases.current === 'queued' ||
    phases.current === 'failed' ||
    (phases.current === 'spooled' && circuit.isOpen);
  const until = performance.now() + maxWaitMs;
  while (!settled() && performance.now() < until) {
    await phases.change(until - performance.now(), circuit);
  }
  // A caller who had less time to wait says nothing about the broker, a hand-off's whole age does.
  const ageMs = performance.now() - begunAtMs;
  if (phases.current === 'spooled' && handoffDeadlineMs > 0 && ageMs >= handoffDeadlineMs) {
    circuit.open(`no answer within ${handoffDeadlineMs} ms`);
  }
  // Not even on disk yet: nothing may be promised, though it may still work out.
  return phases.current === 'writing' ? 'failed' : phases.current;
}

interface Phases {
  readonly current: Phase;
  enter(phase: Phase): void;
  /** Resolves at the next phase, when the circuit opens, or after `ms`. */
  change(ms: number, circuit: Circuit): Promise<void>;
}

function createPhases(onSettled: (state: SettledState) => void): Phases {
  const waiting = new Set<() => void>();
  let current: Phase = 'writing';
  return {
    get current() {
      return current;
    },
    enter(phase) {
      current = phase;
      for (const wake of waiting) wake();
      if (phase === 'queued' || phase === 'failed') onSettled(phase);
    },
    async change(ms, circuit) {
      const { opened, dispose } = circuit.whenOpen();
      let wake = (): void => {};
      const changed = new Promise<void>((resolve) => {
        wake = resolve;
      });
      waiting.add(wake);
      const timer = setTimeout(wake, ms);
      // While the file is being written an open circuit changes nothing: the wait is for the disk.
      await (current === 'writing' ? changed : Promise.race([changed, opened]));
      clearTimeout(timer);
      waiting.delete(wake);
      dispose();
    },
  };
}
