import { pairKeys } from '../../proto/archive-event.ts';
import type { Archive } from './archive.ts';
import type { Archiving } from './finish-image.ts';
import type { ArchiveOutcome } from './generation-event.ts';

const DISABLED: ArchiveOutcome = { state: 'disabled', bucket: '', key: '', recordKey: '' };

/** How safe the pair is after at most `maxWaitMs`. The hash is empty when it is not known. */
export async function archiveOutcome(
  archiving: Promise<Archiving | null> | undefined,
  maxWaitMs: number,
  archive: Archive | undefined,
): Promise<{ imageHash: string; outcome: ArchiveOutcome }> {
  if (archiving === undefined || archive === undefined) return { imageHash: '', outcome: DISABLED };
  const started = performance.now();
  const begun = await orAfter(archiving, maxWaitMs);
  if (begun === null) {
    return { imageHash: '', outcome: { state: 'failed', bucket: archive.bucket, key: '', recordKey: '' } };
  }
  const keys = pairKeys(archive.prefix, begun.imageHash);
  const state = await begun.handOff.state(Math.max(0, maxWaitMs - (performance.now() - started)));
  return {
    imageHash: begun.imageHash,
    outcome: { state, bucket: archive.bucket, key: keys.image, recordKey: keys.record },
  };
}

async function orAfter<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
