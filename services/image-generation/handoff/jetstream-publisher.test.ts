import { randomUUID } from 'node:crypto';
import type { JetStreamManager, NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { STREAM_BLOBS, STREAM_EVENTS } from '../../../proto/archive-event.ts';
import {
  type ArchiveBench,
  messageCount,
  openArchiveBench,
  testImage,
} from '../../../test/_support/archive-bench.ts';
import { passingTracing } from '../../runtime/tracing/passing-tracing.ts';
import { natsServerBinaries } from '../../../test/_support/nats-binaries.ts';
import { PublishError } from './handoff-publisher.ts';
import { createJetStreamPublisher } from './jetstream-publisher.ts';
import type { SpooledHandOff } from './spool-file.ts';

const handOffOf = ({ bytes, hash }: ReturnType<typeof testImage>): SpooledHandOff => ({
  handoffId: randomUUID(),
  imageHash: hash,
  requestId: randomUUID(),
  createTime: new Date(),
  record: Buffer.from('{}'),
  image: bytes,
  trace: {},
});

const publisherOver = (current: NatsConnection) =>
  createJetStreamPublisher({ current, onChange: () => {}, close: async () => {} }, passingTracing);

/** `connection`, whose first purge gets no answer. */
function loseFirstPurge(connection: NatsConnection): NatsConnection {
  let lost = false;
  const losing = (manager: JetStreamManager): JetStreamManager => ({
    ...manager,
    streams: new Proxy(manager.streams, {
      get(streams, name) {
        if (name !== 'purge' || lost) return Reflect.get(streams, name).bind(streams);
        lost = true;
        return () => Promise.reject(new Error('no answer'));
      },
    }),
  });
  return new Proxy(connection, {
    get(target, name) {
      if (name !== 'jetstreamManager') return Reflect.get(target, name).bind(target);
      return async (options: object) => losing(await target.jetstreamManager(options));
    },
  });
}

describe.each(natsServerBinaries())('publisher on nats-server $version', ({ binary }) => {
  let bench: ArchiveBench;
  beforeAll(async () => {
    bench = await openArchiveBench(binary);
  });
  afterAll(() => bench.close());

  it('leaves no chunks of an image that is queued already, also when their first purge fails', async () => {
    const image = testImage(600_000);
    const publisher = publisherOver(loseFirstPurge(bench.connection));
    await publisher.publish(handOffOf(image));
    const chunks = await messageCount(bench.jsm, STREAM_BLOBS);
    expect(chunks).toBe(3);

    const second = handOffOf(image);
    await expect(publisher.publish(second)).rejects.toBeInstanceOf(PublishError);
    expect(await messageCount(bench.jsm, STREAM_BLOBS), 'the purge was lost').toBe(2 * chunks);
    await publisher.publish(second);
    expect(await messageCount(bench.jsm, STREAM_BLOBS)).toBe(chunks);
    expect(await messageCount(bench.jsm, STREAM_EVENTS)).toBe(1);
  });

  it('keeps the chunks of an event whose acknowledgement was lost', async () => {
    const publisher = publisherOver(bench.connection);
    const before = await messageCount(bench.jsm, STREAM_BLOBS);
    const handOff = handOffOf(testImage(600_000));
    await publisher.publish(handOff);
    await publisher.publish(handOff);
    // The repeated chunks have the first ones' subjects; the archiver reads the last of each.
    expect(await messageCount(bench.jsm, STREAM_BLOBS)).toBeGreaterThanOrEqual(before + 3);
  });
});
