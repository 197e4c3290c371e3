import type { JetStreamManager } from 'nats';
import { imageBlobsFilter, STREAM_BLOBS } from '../../proto/archive-event.ts';
import type { ArchiveIndex } from '../archive-index.ts';
import type { ImageChunks } from '../image-chunks.ts';
import { deleteStored, firstMessage } from './stored-message.ts';

export interface OrphanSweepParts {
  readonly jsm: JetStreamManager;
  readonly index: Pick<ArchiveIndex, 'get'>;
  readonly chunks: Pick<ImageChunks, 'purge'>;
}

/**
 * Purges chunks of images that the index knows to be archived, and returns of how many. A nats-server that is killed
 * may bring purged messages back (seen with 2.15.2: chunks with their old sequence numbers, whose event had been
 * acknowledged seconds before the SIGKILL); nothing else would ever ask for them again.
 */
export async function sweepOrphans(
  { jsm, index, chunks }: OrphanSweepParts,
  signal: AbortSignal,
): Promise<number> {
  const { state } = await jsm.streams.info(STREAM_BLOBS, { subjects_filter: '>' });
  // sekai.archive.blob.{hash}.{handoffId}.{i}
  const hashes = new Set(Object.keys(state.subjects ?? {}).map((subject) => subject.split('.')[3] ?? ''));
  let swept = 0;
  for (const hash of hashes) {
    if (signal.aborted) break;
    if ((await index.get(hash)) === undefined) continue;
    await chunks.purge(hash);
    await deleteLeftOver(jsm, imageBlobsFilter(hash), signal);
    swept += 1;
  }
  return swept;
}

/**
 * Deletes by sequence what a purge has left. A killed server's index of a block can lack a chunk that the stream
 * still counts and serves: the purge then answers success with 0 purged, now and for ever (seen with 2.12.15).
 */
async function deleteLeftOver(jsm: JetStreamManager, filter: string, signal: AbortSignal): Promise<void> {
  let sequence = 1;
  while (!signal.aborted) {
    const message = await firstMessage(jsm, STREAM_BLOBS, filter, sequence);
    if (message === undefined) return;
    await deleteStored(jsm, STREAM_BLOBS, message.seq);
    sequence = message.seq + 1;
  }
}

/** Tells when it is time for a sweep: at the start, after each restart of the server, and once an hour. */
export function createSweepClock(intervalMs = 3_600_000): (serverId: string, now?: number) => boolean {
  let sweptAt = Number.NEGATIVE_INFINITY;
  let sweptServer: string | undefined;
  return (serverId, now = Date.now()) => {
    if (serverId === sweptServer && now - sweptAt < intervalMs) return false;
    sweptAt = now;
    sweptServer = serverId;
    return true;
  };
}
