import { expect, it } from 'vitest';
import { type ArchivedPair, pairKeys } from '../proto/archive-event.ts';
import { createMemoryObjectStore } from '../test/_support/memory-object-store.ts';
import type { ArchiveIndex } from './archive-index.ts';
import { createGiveDownloadLink, ImageNotFoundError, type LinkSigner } from './download-link.ts';

const HASH = 'ab'.repeat(32);
const target = { bucket: 'bucket', prefix: 'prefix/' };
const keys = pairKeys(target.prefix, HASH);
const never = new AbortController().signal;

function bench(entries: Readonly<Record<string, Partial<ArchivedPair>>> = {}) {
  const signed: { key: string; seconds: number }[] = [];
  const objectStore = createMemoryObjectStore();
  const index: ArchiveIndex = {
    get: async (hash) => entries[hash] as ArchivedPair | undefined,
    putIfAbsent: async () => {},
  };
  const signer: LinkSigner = {
    downloadLink: async (key, seconds) => {
      signed.push({ key, seconds });
      return { url: new URL(`https://s3.test/${key}`), expiresAt: new Date(0) };
    },
  };
  const give = createGiveDownloadLink({ index, objectStore, signer, target, defaultSeconds: 900 });
  return { give, signed, objectStore };
}
const indexed = { [HASH]: { bucket: 'bucket', key: keys.image } };

it('signs the image of an indexed hash, for the default life, a chosen one, and at most a day', async () => {
  const { give, signed } = bench(indexed);
  for (const seconds of [0, 60, 86_401]) await give(HASH, seconds, never);
  expect(signed).toEqual([900, 60, 86_400].map((seconds) => ({ key: keys.image, seconds })));
});

it('finds in the bucket what the index has forgotten', async () => {
  const { give, signed, objectStore } = bench();
  const body = new Uint8Array(1);
  const record = { key: keys.record, body, contentType: 'application/json', sha256: body, metadata: {} };
  await objectStore.put(record, never);
  await give(HASH, 0, never);
  expect(signed).toHaveLength(1);
});

it('never signs a key that an index entry claims: it derives its own', async () => {
  const { give, signed } = bench({ [HASH]: { bucket: 'bucket', key: 'prefix/secrets' } });
  await expect(give(HASH, 0, never)).rejects.toThrow(ImageNotFoundError);
  expect(signed).toEqual([]);
});

it.each([
  ['no hash', 'x', {}],
  ['an unknown hash', HASH, {}],
  ['an image of another bucket', HASH, { [HASH]: { bucket: 'other', key: keys.image } }],
])('refuses %s', async (_, hash, entries) => {
  const { give, signed } = bench(entries);
  await expect(give(hash, 0, never)).rejects.toThrow(ImageNotFoundError);
  expect(signed).toEqual([]);
});

it('refuses when the bucket would not say whether the pair is there', async () => {
  const { give, objectStore } = bench();
  objectStore.beforeExists = () => 'unknown';
  await expect(give(HASH, 0, never)).rejects.toThrow(ImageNotFoundError);
});
