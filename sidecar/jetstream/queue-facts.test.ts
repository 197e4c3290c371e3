import { NatsError } from 'nats';
import type { JetStreamManager } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { STREAM_EVENTS } from '../../proto/archive-event.ts';
import {
  type ArchiveBench,
  openArchiveBench,
  publishPayload,
  testImage,
} from '../../test/_support/archive-bench.ts';
import { natsServerBinaries } from '../../test/_support/nats-binaries.ts';
import { diagnose, WATCHDOG_TIMINGS } from './consumer-watchdog.ts';
import { readQueueFacts } from './queue-facts.ts';

describe.each(natsServerBinaries())('queue of nats-server $version', ({ binary }) => {
  let bench: ArchiveBench;
  beforeAll(async () => {
    bench = await openArchiveBench(binary);
  });
  afterAll(() => bench.close());

  it('is empty, then holds what was published, with its age', async () => {
    expect(await readQueueFacts(bench.jsm)).toMatchObject({ messages: 0, firstSequence: undefined });
    for (const size of [10, 20])
      await publishPayload(bench.connection, testImage(size).hash, Buffer.from('x'));
    const facts = await readQueueFacts(bench.jsm);
    expect(facts).toMatchObject({ messages: 2, numPending: 2, firstSequence: 1, ackFloorSequence: 0 });
    expect(facts.oldestAgeSeconds).toBeGreaterThanOrEqual(0);
    await bench.jsm.streams.purge(STREAM_EVENTS);
    expect(await readQueueFacts(bench.jsm)).toMatchObject({ messages: 0, bytes: 0, oldestAgeSeconds: 0 });
  });
});

it('takes an event that is counted and cannot be read for none, and nothing for ill', async () => {
  // As 2.9.10 answered after a chaos run: one message in the stream's state, 4,258 pending, none to be read.
  const position = { consumer_seq: 0, stream_seq: 386 };
  const gone = new NatsError('no message found', '404');
  gone.api_error = { code: 404, err_code: 10037, description: 'no message found' };
  const jsm = {
    consumers: {
      info: async () => ({
        delivered: position,
        ack_floor: { consumer_seq: 0, stream_seq: 0 },
        num_pending: 4_258,
        num_ack_pending: 0,
        num_waiting: 8,
        config: {},
      }),
    },
    streams: {
      info: async () => ({ state: { messages: 1, bytes: 225_315, first_seq: 387 } }),
      getMessage: () => Promise.reject(gone),
    },
  } as unknown as JetStreamManager;
  const facts = await readQueueFacts(jsm);
  expect(facts).toMatchObject({ messages: 0, bytes: 0, numPending: 0, oldestAgeSeconds: 0 });
  const history = [0, 10, 20, 30, 60, 120].map((seconds) => ({ ...facts, atMs: seconds * 1_000 }));
  expect(diagnose(history, WATCHDOG_TIMINGS)).toBeUndefined();
});
