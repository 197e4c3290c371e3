import { randomBytes, randomUUID } from 'node:crypto';
import { headers } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blobSubject } from '../../proto/archive-event.ts';
import { type ArchiveBench, openArchiveBench, testImage } from '../../test/_support/archive-bench.ts';
import { natsServerBinaries } from '../../test/_support/nats-binaries.ts';
import { createJetStreamImageChunks } from './jetstream-image-chunks.ts';

const never = new AbortController().signal;

describe.each(natsServerBinaries())('chunks on nats-server $version', ({ binary }) => {
  let bench: ArchiveBench;
  beforeAll(async () => {
    bench = await openArchiveBench(binary);
  });
  afterAll(() => bench.close());

  // nats-server 2.9 hands such headers on as they are; later ones put their own in front.
  it.each(
    [100, 404, 408, 409, 503].flatMap((status) => [
      [status, 0],
      [status, 1_000],
    ]),
  )('are what was stored, though their headers claim status %i, with %i bytes', async (status, bytes) => {
    const data = randomBytes(bytes);
    const name = { imageHash: testImage(1).hash, handoffId: randomUUID(), index: 0 };
    const subject = blobSubject(name.imageHash, name.handoffId, name.index);
    await bench.connection.jetstream().publish(subject, data, { headers: headers(status, 'Forged') });
    const chunk = await createJetStreamImageChunks(bench.connection, bench.jsm).get(name, never);
    expect(chunk && Buffer.compare(chunk, data)).toBe(0);
  });

  it('are undefined when they are not there', async () => {
    const name = { imageHash: testImage(1).hash, handoffId: randomUUID(), index: 0 };
    expect(await createJetStreamImageChunks(bench.connection, bench.jsm).get(name, never)).toBeUndefined();
  });
});
