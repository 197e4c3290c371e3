import type { ObjectStore, StoredObject } from '../../sidecar/object-store.ts';

/** An {@link ObjectStore} in memory that fails or hangs on demand and counts what it is asked. */
export interface MemoryObjectStore extends ObjectStore {
  readonly objects: ReadonlyMap<string, StoredObject>;
  /** Keys of all finished puts, in order. */
  readonly puts: readonly string[];
  /** Most puts, and bytes in puts, that were under way at the same time. */
  readonly peak: { readonly puts: number; readonly bytes: number };
  /** Runs before an object is stored: throw to fail, wait to hang. */
  beforePut: (object: StoredObject, signal: AbortSignal) => Promise<void> | void;
  /** Runs before existence is answered. An answer it returns replaces the true one. */
  beforeExists: (key: string) => 'unknown' | undefined;
}

export function createMemoryObjectStore(): MemoryObjectStore {
  const objects = new Map<string, StoredObject>();
  const puts: string[] = [];
  const now = { puts: 0, bytes: 0 };
  const peak = { puts: 0, bytes: 0 };
  const store: MemoryObjectStore = {
    objects,
    puts,
    peak,
    beforePut: () => {},
    beforeExists: () => undefined,
    put: async (object, signal) => {
      now.puts += 1;
      now.bytes += object.body.length;
      peak.puts = Math.max(peak.puts, now.puts);
      peak.bytes = Math.max(peak.bytes, now.bytes);
      try {
        signal.throwIfAborted();
        await store.beforePut(object, signal);
        objects.set(object.key, { ...object, body: Uint8Array.from(object.body) });
        puts.push(object.key);
      } finally {
        now.puts -= 1;
        now.bytes -= object.body.length;
      }
    },
    exists: (key, signal) => {
      signal.throwIfAborted();
      return Promise.resolve(store.beforeExists(key) ?? (objects.has(key) ? 'present' : 'absent'));
    },
  };
  return store;
}
