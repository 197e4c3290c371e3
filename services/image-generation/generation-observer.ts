/** Port: who wants to know how generations go, such as metrics. */
import type { ArchiveOutcome } from './generation-event.ts';

/**
 * Where a generation's time goes. `queue`: from the checked request to the engine; `engine`: until the image exists;
 * `encode`: one encoded file, the caller's or the archive's; `deliver`: from the header until the caller has taken
 * the last chunk; `archive_wait`: what the result waited for its hand-off.
 */
export const GENERATION_STAGES = ['queue', 'engine', 'encode', 'deliver', 'archive_wait'] as const;
export type ObservedStage = (typeof GENERATION_STAGES)[number];

/** All times ms. */
export interface GenerationObserver {
  /** Since the checked request. */
  firstProgress(ms: number): void;
  /** Since the checked request. */
  firstImageByte(ms: number): void;
  spent(stage: ObservedStage, ms: number): void;
  /** A caller was told how safe its pair is. */
  result(archiveState: ArchiveOutcome['state']): void;
}
