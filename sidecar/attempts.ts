/** Counts attempts per image hash, in this process; the server's delivery count restarts when a consumer is rebuilt. */
export interface Attempts {
  /** Counts one more attempt and returns how many there were, the first being 1. */
  count(imageHash: string): number;
  forget(imageHash: string): void;
}

/** Remembers the `maxEntries` hashes counted last: a forgotten one merely starts over with short delays. */
export function createAttempts(maxEntries = 10_000): Attempts {
  const counts = new Map<string, number>();
  return {
    count: (imageHash) => {
      const count = (counts.get(imageHash) ?? 0) + 1;
      counts.delete(imageHash);
      counts.set(imageHash, count);
      const oldest = counts.keys().next();
      if (counts.size > maxEntries && !oldest.done) counts.delete(oldest.value);
      return count;
    },
    forget: (imageHash) => void counts.delete(imageHash),
  };
}
