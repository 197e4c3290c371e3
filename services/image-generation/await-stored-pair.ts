/** Response format S3: from an image that is being handed over to a stored pair with a link. */
import { setTimeout as pause } from 'node:timers/promises';
import { pairKeys } from '../../proto/archive-event.ts';
import { backoffDelayMs } from '../runtime/backoff.ts';
import { derivedSignal } from '../runtime/derived-signal.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Archive } from './archive.ts';
import { ArchiveDeadlineError, ArchiveUnavailableError } from './errors.ts';
import type { Archiving } from './finish-image.ts';
import type { ArchiveOutcome } from './generation-event.ts';
import type { GenerationWarning } from './image-engine.ts';
import { DownloadLinkError, type DownloadLink, type StoredPairs } from './stored-pairs.ts';

export interface AwaitStoredPairDependencies {
  readonly archive: Archive;
  readonly storedPairs: StoredPairs;
  readonly logger: Logger;
}

export interface StoredOutcome {
  readonly outcome: ArchiveOutcome;
  readonly warnings: readonly GenerationWarning[];
}

/** Longest a stored pair is kept waiting for its link, ms. */
const LINK_PATIENCE_MS = 30_000;
const LINK_RETRY = { baseMs: 100, maxMs: 2_000 };

/**
 * Waits for the pair, then for its link, `waitMs` at most. The archive goes on whatever comes of the wait.
 * @throws {ArchiveUnavailableError} when the hand-off failed.
 * @throws {ArchiveDeadlineError} when the pair was not stored in time.
 */
export async function awaitStoredPair(
  { imageHash, handOff }: Archiving,
  requestId: string,
  waitMs: number,
  signal: AbortSignal,
  { archive, storedPairs, logger }: AwaitStoredPairDependencies,
): Promise<StoredOutcome> {
  const reason = (): Error => new ArchiveDeadlineError(imageHash, pairKeys(archive.prefix, imageHash).image);
  const limit = derivedSignal(signal, { ms: waitMs, reason });
  try {
    let waiting = true;
    const giveUpIfFailed = async (): Promise<void> => {
      const state = await handOff.state(waitMs);
      if (state === 'failed' && waiting) limit.abort(new ArchiveUnavailableError());
    };
    void giveUpIfFailed();
    // The same image may be stored already: then a failed hand-off takes nothing away.
    const stored = await storedPairs.whenStored(imageHash, limit.signal);
    waiting = false;
    const { bucket, key, recordKey } = stored;
    const outcome: ArchiveOutcome = { state: 'stored', bucket, key, recordKey };
    const patience = derivedSignal(limit.signal, { ms: LINK_PATIENCE_MS, reason });
    try {
      const download = await persistentLink(imageHash, patience.signal, storedPairs, logger);
      if (download !== undefined) return { outcome: { ...outcome, download }, warnings: [] };
      signal.throwIfAborted();
      logger.warn({ requestId, imageHash }, 'no archiver gave a download link in time');
      return { outcome, warnings: [NO_LINK] };
    } finally {
      patience.dispose();
    }
  } finally {
    limit.dispose();
  }
}

const NO_LINK: GenerationWarning = {
  reason: 'DOWNLOAD_LINK_UNAVAILABLE',
  field: 'response_format',
  message: 'the image is stored, but no archiver gave a download link in time',
};

/** Asks until there is a link; undefined when `signal` aborts first. */
async function persistentLink(
  imageHash: string,
  signal: AbortSignal,
  storedPairs: StoredPairs,
  logger: Logger,
): Promise<DownloadLink | undefined> {
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    try {
      return await storedPairs.downloadLink(imageHash, signal);
    } catch (error) {
      if (signal.aborted) return undefined;
      if (!(error instanceof DownloadLinkError)) throw error;
      logger.debug({ imageHash, attempt, err: error }, 'no download link yet');
      await pause(backoffDelayMs(attempt, LINK_RETRY), undefined, { signal }).catch(() => {});
    }
  }
  return undefined;
}
