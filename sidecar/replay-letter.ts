import { setTimeout as delay } from 'node:timers/promises';
import { decodeArchiveEvent, isImageHash } from '../proto/archive-event.ts';
import type { KeptLetter, OperatorQueue } from './operator-queue.ts';

/** What became of a dead letter that was to be replayed; with `queued` and `archived` the dead copy is gone. */
export type Replay =
  | { readonly outcome: 'queued' /** Chunks it lacks. */; readonly missingChunks: number }
  | { readonly outcome: 'archived' }
  /** Another hand-off of the same image is queued. */
  | { readonly outcome: 'occupied' }
  /** Its subject named no image, so there is none to queue it under. */
  | { readonly outcome: 'nameless' }
  /** Its id was published too short a while ago, and was so for all the time it may. */
  | { readonly outcome: 'remembered' };

export interface ReplayTimings {
  /** Between attempts while the server remembers the id, ms. */
  readonly pauseMs: number;
  /** Longest wait, ms: above the `duplicate_window` of the stream. */
  readonly patienceMs: number;
}

const TIMINGS: ReplayTimings = { pauseMs: 2_000, patienceMs: 150_000 };

/**
 * Queues a dead letter's event again. The dead copy goes only when the event is known to be queued or its pair
 * archived, so that a crash in between leaves a letter that can be replayed once more.
 * @param onWait Called once if the server still remembers the id, before the wait.
 */
export async function replayLetter(
  queue: OperatorQueue,
  letter: KeptLetter,
  signal: AbortSignal,
  onWait: () => void = () => {},
  { pauseMs, patienceMs }: ReplayTimings = TIMINGS,
): Promise<Replay> {
  if (!isImageHash(letter.imageHash)) return { outcome: 'nameless' };
  const deadline = Date.now() + patienceMs;
  let restored = false;
  for (let attempt = 0; ; attempt += 1) {
    const known = await settled(queue, letter);
    if (known?.outcome === 'occupied' && restored) await queue.withdrawChunks(letter);
    if (known !== undefined) return known;
    if (!restored) await queue.restoreChunks(letter, signal);
    restored = true;
    const answer = await queue.requeue(letter);
    if (answer === 'queued') return await done(queue, letter, 'queued');
    // An event of the image has come in between; the next look tells whose it is.
    if (answer === 'occupied') continue;
    if (Date.now() > deadline) return { outcome: 'remembered' };
    if (attempt === 0) onWait();
    await delay(pauseMs, undefined, { signal });
  }
}

/** What need not be published any more, or must not be now. */
async function settled(queue: OperatorQueue, letter: KeptLetter): Promise<Replay | undefined> {
  if (await queue.isArchived(letter.imageHash)) return done(queue, letter, 'archived');
  const queued = await queue.queuedEvent(letter.imageHash);
  if (queued === undefined) return undefined;
  // A payload names its hand-off: the same bytes are the same event, queued by a replay that was cut short.
  const own = Buffer.compare(queued.payload, letter.payload) === 0;
  return own ? done(queue, letter, 'queued') : { outcome: 'occupied' };
}

async function done(
  queue: OperatorQueue,
  letter: KeptLetter,
  outcome: 'queued' | 'archived',
): Promise<Replay> {
  await queue.drop(letter);
  return outcome === 'archived' ? { outcome } : { outcome, missingChunks: missingChunks(letter) };
}

function missingChunks({ payload, chunkIndexes }: KeptLetter): number {
  try {
    const { image } = decodeArchiveEvent(payload);
    if (image.kind === 'inline') return 0;
    return image.chunkCount - chunkIndexes.filter((index) => index < image.chunkCount).length;
  } catch {
    // Not an event of ours; what it lacks is not chunks.
    return 0;
  }
}
