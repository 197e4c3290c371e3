import { setTimeout as delay } from 'node:timers/promises';
import { pairKeys } from '../proto/archive-event.ts';
import type { ObjectRemover } from './object-remover.ts';
import type { KeptLetter, OperatorQueue } from './operator-queue.ts';

export interface DeletePairParts {
  readonly queue: OperatorQueue;
  readonly bucket: ObjectRemover;
  /** Empty, or ends in "/". */
  readonly prefix: string;
}

/** What is known of an image, in every place that keeps something of it. */
export interface Traces {
  readonly queued: boolean;
  readonly indexed: boolean;
  readonly letters: number;
  readonly image: 'present' | 'absent' | 'unknown';
  readonly record: 'present' | 'absent' | 'unknown';
}

/** What to do with a queued event of the image, which would archive it again. */
export type QueuedPolicy = 'refuse' | 'wait' | 'purge';

export type Deletion =
  /** Nothing is left. `mayReturn`: an archiver may hold an event that was purged. */
  | { readonly outcome: 'deleted'; readonly mayReturn: boolean }
  /** The bucket hides objects instead of removing them. */
  | { readonly outcome: 'versions-kept' }
  /** The bucket took the requests, and does not say what it holds. */
  | { readonly outcome: 'unverified' }
  /** An event of the image is queued; what was removed before that came stays removed. */
  | { readonly outcome: 'queued' }
  /** It was archived again, time after time. */
  | { readonly outcome: 'returned' };

const MAX_ROUNDS = 5;
const POLL_MS = 500;

/** Looks into every place. */
export async function findTraces(
  { queue, bucket, prefix }: DeletePairParts,
  imageHash: string,
  signal: AbortSignal,
): Promise<Traces> {
  const keys = pairKeys(prefix, imageHash);
  // The queue first: what an archiver has finished by then shows in the places that are looked at afterwards.
  const queued = (await queue.queuedEvent(imageHash)) !== undefined;
  let letters = 0;
  for await (const _ of queue.letters(signal, imageHash)) letters += 1;
  return {
    queued,
    indexed: await queue.isArchived(imageHash),
    letters,
    record: await bucket.exists(keys.record, signal),
    image: await bucket.exists(keys.image, signal),
  };
}

/**
 * Removes an image and its record from the bucket, the index and the dead letters, and looks whether they are gone.
 * Safe to repeat, also after a crash: the index goes first, so that nothing is ever called archived that is not
 * there, and the record before the image, so that where a record is its image is.
 * @param patienceMs Longest wait for a queued event.
 */
export async function deletePair(
  parts: DeletePairParts,
  imageHash: string,
  policy: QueuedPolicy,
  patienceMs: number,
  signal: AbortSignal,
): Promise<Deletion> {
  const { queue } = parts;
  let mayReturn = false;
  let hidden = false;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    if (policy === 'purge') mayReturn = (await purgeQueued(queue, imageHash)) || mayReturn;
    if (policy === 'wait') await untilSettled(queue, imageHash, patienceMs, signal);
    if ((await queue.queuedEvent(imageHash)) !== undefined) return { outcome: 'queued' };
    hidden = (await removeOnce(parts, imageHash, signal)) || hidden;
    const left = await findTraces(parts, imageHash, signal);
    const gone = !left.queued && !left.indexed && left.letters === 0;
    const objects = [left.image, left.record];
    // Archived again in between, or found by an archiver before it went: once more.
    if (!gone || objects.includes('present')) continue;
    if (hidden) return { outcome: 'versions-kept' };
    return objects.includes('unknown') ? { outcome: 'unverified' } : { outcome: 'deleted', mayReturn };
  }
  return { outcome: 'returned' };
}

/** Whether the bucket kept a version of what it was told to remove. */
async function removeOnce(
  { queue, bucket, prefix }: DeletePairParts,
  imageHash: string,
  signal: AbortSignal,
): Promise<boolean> {
  const keys = pairKeys(prefix, imageHash);
  if (await queue.isArchived(imageHash)) await queue.forget(imageHash);
  const record = await removeIfThere(bucket, keys.record, signal);
  const image = await removeIfThere(bucket, keys.image, signal);
  // Last: until here they may be the only copy.
  const letters: KeptLetter[] = [];
  for await (const letter of queue.letters(signal, imageHash)) {
    letters.push({ ...letter, payload: new Uint8Array() });
  }
  for (const letter of letters) await queue.drop(letter);
  return record === 'version-kept' || image === 'version-kept';
}

/** A DELETE of nothing would put a marker into a bucket with versions. */
async function removeIfThere(
  bucket: ObjectRemover,
  key: string,
  signal: AbortSignal,
): Promise<'removed' | 'version-kept'> {
  return (await bucket.exists(key, signal)) === 'absent' ? 'removed' : bucket.remove(key, signal);
}

async function purgeQueued(queue: OperatorQueue, imageHash: string): Promise<boolean> {
  let mayBeHeld = false;
  // One event of an image is queued at a time, unless a peer broke that rule.
  for (let event = await queue.queuedEvent(imageHash); event !== undefined; ) {
    mayBeHeld = (await queue.cancel(imageHash, event)).mayBeHeld || mayBeHeld;
    event = await queue.queuedEvent(imageHash);
  }
  return mayBeHeld;
}

async function untilSettled(
  queue: OperatorQueue,
  imageHash: string,
  patienceMs: number,
  signal: AbortSignal,
): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while ((await queue.queuedEvent(imageHash)) !== undefined && Date.now() < deadline) {
    await delay(POLL_MS, undefined, { signal });
  }
}
