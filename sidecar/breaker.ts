import { type BackoffOptions, backoffDelayMs } from '../services/runtime/backoff.ts';

/** What the handling of one event says about the target. `unknown`: it was not reached, or not asked. */
export type TargetVerdict =
  | { readonly target: 'good' | 'unknown' }
  | { readonly target: 'faulty'; readonly retryAfterMs?: number | undefined };

/** Leave to take one event. */
export interface Permit {
  /** Whether the breaker opened since, so that the event should be given back untried. */
  readonly revoked: boolean;
  /** To be called once, whatever became of it. */
  settle(verdict: TargetVerdict): void;
}

/**
 * Keeps work away from a faulty target. Closed: everyone passes. A fault opens it for a growing delay; then one
 * caller at a time passes as the probe until the target proves good.
 */
export interface Breaker {
  /** Waits for leave; undefined when `signal` is aborted first. */
  enter(signal: AbortSignal): Promise<Permit | undefined>;
  readonly closed: boolean;
  /** Until the next probe, ms; 0 when probes may pass. */
  readonly openForMs: number;
}

export function createBreaker(backoff: BackoffOptions): Breaker {
  // Faults of permits from before the last opening say nothing new: eight uploads that fail together are one fault.
  let generation = 0;
  let faultsInRow = 0;
  let closed = true;
  let openUntil = 0;
  let probing = false;
  const change = createChange();

  const openForMs = (): number => (closed ? 0 : Math.max(0, openUntil - Date.now()));

  const settle = (verdict: TargetVerdict, probe: boolean, permitGeneration: number): void => {
    if (probe) probing = false;
    if (verdict.target === 'good') {
      closed = true;
      faultsInRow = 0;
    } else if (verdict.target === 'faulty' && permitGeneration === generation) {
      generation += 1;
      closed = false;
      openUntil = Date.now() + Math.max(verdict.retryAfterMs ?? 0, backoffDelayMs(faultsInRow, backoff));
      faultsInRow += 1;
    }
    change.announce();
  };

  return {
    get closed() {
      return closed;
    },
    get openForMs() {
      return openForMs();
    },
    enter: async (signal) => {
      while (!signal.aborted) {
        if (closed || (openForMs() === 0 && !probing)) {
          const probe = !closed;
          const permitGeneration = generation;
          if (probe) probing = true;
          return {
            get revoked() {
              return !closed && permitGeneration !== generation;
            },
            settle: (verdict) => settle(verdict, probe, permitGeneration),
          };
        }
        await change.wait(openForMs(), signal);
      }
      return undefined;
    },
  };
}

/** Lets many wait for the next change, a timeout, or an abort, whichever is first. */
interface Change {
  announce(): void;
  /** A timeout of 0 is none. */
  wait(timeoutMs: number, signal: AbortSignal): Promise<void>;
}

function createChange(): Change {
  const waiting = new Set<() => void>();
  return {
    announce: () => {
      for (const wake of waiting) wake();
    },
    wait: (timeoutMs, signal) =>
      new Promise((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          waiting.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        const timer = timeoutMs > 0 ? setTimeout(wake, timeoutMs) : undefined;
        waiting.add(wake);
        signal.addEventListener('abort', wake, { once: true });
      }),
  };
}
