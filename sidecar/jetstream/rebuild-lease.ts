import type { KV } from 'nats';
import { isApiError, JS_WRONG_LAST_SEQUENCE } from './errors.ts';

/** Not a hash, so it never meets an archived pair. */
const LEASE_KEY = 'lease.consumer-rebuild';

/**
 * Takes the leave to rebuild the consumer, for `intervalMs`; false when another archiver has it.
 * Compare-and-set on one key, so of many that try only one succeeds.
 */
export async function takeRebuildLease(
  bucket: KV,
  intervalMs: number,
  now: number = Date.now(),
): Promise<boolean> {
  const entry = await bucket.get(LEASE_KEY);
  const since = entry?.operation === 'PUT' ? Number(entry.string()) : 0;
  if (now - since < intervalMs) return false;
  try {
    await bucket.put(LEASE_KEY, String(now), { previousSeq: entry?.revision ?? 0 });
    return true;
  } catch (error) {
    if (isApiError(error, JS_WRONG_LAST_SEQUENCE)) return false;
    throw error;
  }
}
