import { setTimeout as sleep } from 'node:timers/promises';
import { backoffDelayMs } from '../../../services/runtime/backoff.ts';
import { TargetFault } from '../../object-store.ts';
import { safeCause } from '../error-classification.ts';

/** Attempts to fetch credentials, as in the AWS SDK's container provider. */
const MAX_ATTEMPTS = 4;

/** Repeats `fetch` until it neither rejects nor returns `again`, with short pauses. Definite faults pass through. */
export async function fetchAttempts<T>(what: string, fetch: () => Promise<T | 'again'>): Promise<T> {
  let cause: unknown;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    if (attempt > 0) await sleep(backoffDelayMs(attempt - 1, { baseMs: 50, maxMs: 1000 }));
    try {
      const result = await fetch();
      if (result !== 'again') return result;
      cause = undefined;
    } catch (error) {
      if (error instanceof TargetFault) throw error;
      cause = error;
    }
  }
  throw new TargetFault(
    'credentials',
    `${what} gave no credentials in ${MAX_ATTEMPTS} attempts`,
    `check that ${what} can be reached from here`,
    safeCause(cause),
  );
}
