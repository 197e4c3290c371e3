import { connect } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ArchiveBench, openArchiveBench, testImage } from '../../test/_support/archive-bench.ts';
import { natsServerBinaries } from '../../test/_support/nats-binaries.ts';
import type { ArchiveIndex } from '../archive-index.ts';
import { createJetStreamArchiveIndex, openArchivedBucket } from './jetstream-archive-index.ts';
import { createRequests } from './requests.ts';

const pair = {
  bucket: 'bucket',
  key: 'output.jpg',
  recordKey: 'input.json',
  archiveTime: new Date('2026-01-02T03:04:05Z'),
  requestId: 'first',
};

describe.each(natsServerBinaries())('archive index on nats-server $version', ({ binary }) => {
  let bench: ArchiveBench;
  let index: ArchiveIndex;
  beforeAll(async () => {
    bench = await openArchiveBench(binary);
    index = createJetStreamArchiveIndex(bench.connection, await openArchivedBucket(bench.connection));
  });
  afterAll(() => bench.close());

  it('knows nothing of a hash that was never put', async () => {
    expect(await index.get(testImage(8).hash)).toBeUndefined();
  });

  it('keeps the first pair', async () => {
    const { hash } = testImage(8);
    await index.putIfAbsent(hash, pair);
    await index.putIfAbsent(hash, { ...pair, requestId: 'second' });
    expect(await index.get(hash)).toEqual(pair);
  });

  it.each(['delete', 'purge'] as const)('forgets an entry after %s, and takes another one', async (how) => {
    const { hash } = testImage(8);
    await index.putIfAbsent(hash, pair);
    await (await openArchivedBucket(bench.connection))[how](hash);
    expect(await index.get(hash)).toBeUndefined();
    await index.putIfAbsent(hash, { ...pair, requestId: 'second' });
    expect((await index.get(hash))?.requestId).toBe('second');
  });

  it('answers many at once, each its own', async () => {
    const hashes = Array.from({ length: 50 }, () => testImage(8).hash);
    for (const hash of hashes) await index.putIfAbsent(hash, { ...pair, requestId: hash });
    const found = await Promise.all(hashes.map((hash) => index.get(hash)));
    expect(found.map((entry) => entry?.requestId)).toEqual(hashes);
  });

  it('says so when nobody listens, nothing comes in time, or the connection closes', async () => {
    const connection = await connect({ servers: bench.server.url });
    const requests = createRequests(connection);
    await expect(requests.ask('nobody.there', '', 1_000)).rejects.toMatchObject({ code: '503' });
    connection.subscribe('somebody.silent', { callback: () => {} });
    await expect(requests.ask('somebody.silent', '', 50)).rejects.toMatchObject({ code: 'TIMEOUT' });
    const cut = requests.ask('somebody.silent', '', 60_000);
    const outcome = cut.catch((error: unknown) => error);
    await connection.close();
    expect(await outcome).toMatchObject({ code: 'CONNECTION_CLOSED' });
    await expect(requests.ask('nobody.there', '', 1_000)).rejects.toMatchObject({
      code: 'CONNECTION_CLOSED',
    });
  });
});
