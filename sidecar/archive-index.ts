import type { ArchivedPair } from '../proto/archive-event.ts';

/** Port: which hashes are archived. An entry is written only after both objects are in the bucket. */
export interface ArchiveIndex {
  /** The entry of a hash; undefined when there is none, or none that can be seen yet. */
  get(imageHash: string): Promise<ArchivedPair | undefined>;
  /** Writes an entry unless there is one, which then stays: the first pair wins. Durable on return. */
  putIfAbsent(imageHash: string, pair: ArchivedPair): Promise<void>;
}
