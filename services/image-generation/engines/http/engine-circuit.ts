import { backoffDelayMs } from '../../../runtime/backoff.ts';
import { createBell } from '../../../runtime/bell.ts';
import { derivedSignal } from '../../../runtime/derived-signal.ts';
import { EngineError } from '../../errors.ts';
import { engineError, isConnectionFailure } from './engine-failure.ts';

/** Failures in a row that open the circuit: one may be a restart that is over already. */
const FAILURES_TO_OPEN = 2;
/** Between two questions to an engine that answers, ms. */
const PROBE_EVERY_MS = 5_000;
/** Between two questions to one that does not. */
const PROBE_AGAIN = { baseMs: 250, maxMs: 2_000 } as const;
/** Longest wait for the answer, ms. */
const PROBE_TIMEOUT_MS = 3_000;

/** Whether one engine is worth asking: `unknown` before the first answer, `closed` = yes, `open` = no. */
export interface EngineCircuit {
  readonly state: 'unknown' | 'closed' | 'open';
  /** Job or question met a living engine. */
  succeeded(): void;
  /** Job or question met none; asks again at once. */
  failed(error: EngineError): void;
  /** Asks the engine from now on, one question at a time; resolves with whether it answered. Never rejects. */
  check(): Promise<boolean>;
  /** Ends the questions. Idempotent. */
  close(): Promise<void>;
}

export interface EngineCircuitOptions {
  /** @throws {EngineError} */
  readonly probe: (signal: AbortSignal) => Promise<void>;
  /** Whether the engine has work of ours: a busy one may be slow to answer. */
  readonly isBusy: () => boolean;
  readonly onChange: (state: 'closed' | 'open', reason: EngineError | undefined) => void;
}

/** A circuit that asks its engine for as long as it lives: often while it is open, now and then while it is not. */
export function createEngineCircuit({ probe, isBusy, onChange }: EngineCircuitOptions): EngineCircuit {
  const stopping = new AbortController();
  const bell = createBell();
  let state: EngineCircuit['state'] = 'unknown';
  let failures = 0;
  let checking: Promise<boolean> | undefined;

  const succeeded = (): void => {
    failures = 0;
    if (state === 'closed') return;
    state = 'closed';
    onChange('closed', undefined);
  };
  const count = (error: EngineError): void => {
    failures += 1;
    if (state === 'open' || failures < FAILURES_TO_OPEN || stopping.signal.aborted) return;
    state = 'open';
    onChange('open', error);
  };
  const ask = async (): Promise<boolean> => {
    const error = await probeOnce(probe, stopping.signal);
    if (error === undefined) {
      succeeded();
      return true;
    }
    // A busy engine may be slow to answer; one whose connections break is not there.
    const slow = !isConnectionFailure(error) && isBusy();
    if (!slow) count(error);
    return slow;
  };
  const askOnce = (): Promise<boolean> => {
    checking ??= ask().finally(() => {
      checking = undefined;
    });
    return checking;
  };
  const watching = watch();

  async function watch(): Promise<void> {
    while (!stopping.signal.aborted) {
      await askOnce();
      const ms = failures === 0 ? PROBE_EVERY_MS : backoffDelayMs(failures, PROBE_AGAIN);
      await bell.wait(ms, stopping.signal);
    }
  }

  return {
    get state() {
      return state;
    },
    succeeded,
    failed(error) {
      count(error);
      bell.ring();
    },
    async check() {
      // A question under way may be older than the engine's return.
      return (checking !== undefined && (await checking)) || askOnce();
    },
    async close() {
      stopping.abort(new Error('closed'));
      await watching;
    },
  };
}

/** One question with its time limit; resolves with what went wrong. */
async function probeOnce(
  probe: EngineCircuitOptions['probe'],
  stopping: AbortSignal,
): Promise<EngineError | undefined> {
  const reason = (): Error => engineError('TIMEOUT', `no answer to a probe in ${PROBE_TIMEOUT_MS} ms`);
  const limited = derivedSignal(stopping, { ms: PROBE_TIMEOUT_MS, reason });
  try {
    await probe(limited.signal);
    return undefined;
  } catch (error) {
    return error instanceof EngineError ? error : engineError('FAILED', error);
  } finally {
    limited.dispose();
  }
}
