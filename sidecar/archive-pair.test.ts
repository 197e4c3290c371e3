import { describe, expect, it } from 'vitest';
import { type ArchivedPair, EventFault, pairKeys } from '../proto/archive-event.ts';
import { testEvent, testImage } from '../test/_support/archive-bench.ts';
import { createMemoryObjectStore } from '../test/_support/memory-object-store.ts';
import { type ArchivePairParts, createArchivePair, type UploadObserver } from './archive-pair.ts';
import { createByteBudget } from '../services/runtime/byte-budget.ts';
import { createUploadSlots } from './upload-slots.ts';

const never = new AbortController().signal;
const observer: UploadObserver = {
  admitted: () => {},
  storing: () => {},
  stored: () => {},
  existenceUnknown: () => {},
};
const CHUNK_BYTES = 1_000;

function bench(more: Partial<ArchivePairParts> = {}) {
  const image = testImage(2_500);
  const event = testEvent(image, { chunkBytes: CHUNK_BYTES });
  const objectStore = createMemoryObjectStore();
  const entries = new Map<string, ArchivedPair>();
  const budget = createByteBudget(1_000_000);
  const parts: ArchivePairParts = {
    objectStore,
    chunks: {
      get: async ({ index }) => image.bytes.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES),
      purge: async () => {},
    },
    index: {
      get: async (hash) => entries.get(hash),
      putIfAbsent: async (hash, pair) => void entries.set(hash, entries.get(hash) ?? pair),
    },
    slots: createUploadSlots(1),
    budget,
    target: { bucket: 'bucket', prefix: '' },
    headBeforeUpload: true,
    ...more,
  };
  const archivePair = createArchivePair(parts);
  const archive = (hears = observer) => archivePair(event, hears, never);
  return { archive, image, event, objectStore, entries, budget, keys: pairKeys('', image.hash) };
}

describe('archiving a pair', () => {
  it('joins the chunks, stores image and record, and indexes them last', async () => {
    const { archive, image, event, objectStore, entries, budget, keys } = bench();
    objectStore.beforePut = () => {
      expect(entries.size).toBe(0);
      expect(budget.bytesInUse).toBe(image.bytes.length + event.inputRecord.length);
    };
    expect(await archive()).toBe('uploaded');
    expect(objectStore.puts).toEqual([keys.image, keys.record]);
    expect(Buffer.compare(objectStore.objects.get(keys.image)?.body ?? Buffer.alloc(0), image.bytes)).toBe(0);
    expect(entries.get(image.hash)).toMatchObject({ bucket: 'bucket', requestId: event.requestId });
    expect(budget.bytesInUse).toBe(0);
  });

  it('does not index a pair whose record was not stored, and gives the bytes back', async () => {
    const { archive, objectStore, entries, budget, keys } = bench();
    objectStore.beforePut = ({ key }) => {
      if (key === keys.record) throw new Error('gone');
    };
    await expect(archive()).rejects.toThrow('gone');
    expect(entries.size).toBe(0);
    expect(budget.bytesInUse).toBe(0);
    objectStore.beforePut = () => {};
    expect(await archive()).toBe('uploaded');
  });

  it('sees off a duplicate while the only slot is taken, and uploads one pair after the other', async () => {
    const { archive, objectStore, entries, image } = bench();
    let release = (): void => {};
    const hanging = new Promise<void>((reached) => {
      objectStore.beforePut = () => {
        reached();
        return new Promise((goOn) => (release = goOn));
      };
    });
    const first = archive();
    await hanging;
    const second = archive();
    entries.set(image.hash, {} as ArchivedPair);
    expect(await archive()).toBe('duplicate');
    objectStore.beforePut = () => {};
    release();
    expect(await Promise.all([first, second])).toEqual(['uploaded', 'uploaded']);
    expect(objectStore.peak.puts).toBe(1);
  });

  it('uploads nothing when it is turned away at its turn, and frees the slot', async () => {
    const { archive, objectStore } = bench();
    const turnedAway = () => {
      throw new Error('not now');
    };
    await expect(archive({ ...observer, admitted: turnedAway })).rejects.toThrow('not now');
    expect(objectStore.puts).toEqual([]);
    expect(await archive()).toBe('uploaded');
  });

  it('does not ask the bucket when told not to', async () => {
    const { archive, objectStore } = bench({ headBeforeUpload: false });
    objectStore.beforeExists = () => {
      throw new Error('asked');
    };
    expect(await archive()).toBe('uploaded');
  });

  const nothing = { get: async () => undefined, purge: async () => {} };

  it('takes missing chunks for a duplicate when the pair has been indexed meanwhile', async () => {
    let asked = 0;
    const index = {
      get: async () => {
        asked += 1;
        return asked === 1 ? undefined : ({} as ArchivedPair);
      },
      putIfAbsent: async () => {},
    };
    const { archive } = bench({ chunks: nothing, index, headBeforeUpload: false });
    expect(await archive()).toBe('duplicate');
  });

  it('asks the bucket about missing chunks, even when told not to before uploads', async () => {
    const { archive, image, objectStore, keys, entries } = bench({
      chunks: nothing,
      headBeforeUpload: false,
    });
    await expect(archive()).rejects.toThrow(EventFault);
    const object = { body: image.bytes, contentType: '', sha256: image.bytes, metadata: {} };
    await objectStore.put({ key: keys.record, ...object }, never);
    expect(await archive()).toBe('duplicate');
    expect(entries.get(image.hash)?.requestId).toBe('');
  });

  it.each([
    [
      'a chunk of the wrong size',
      { get: async () => new Uint8Array(1), purge: async () => {} },
      'SIZE_MISMATCH',
    ],
    [
      'other bytes',
      {
        get: async ({ index }: { index: number }) => new Uint8Array(index === 2 ? 500 : 1_000),
        purge: async () => {},
      },
      'HASH_MISMATCH',
    ],
  ])('refuses %s as a fault of the event', async (_, chunks, reason) => {
    const { archive, objectStore } = bench({ chunks });
    await expect(archive()).rejects.toMatchObject({ name: 'EventFault', reason });
    expect(objectStore.puts).toEqual([]);
  });
});
