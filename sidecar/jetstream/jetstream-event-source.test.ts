import { connect } from 'nats';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { STREAM_EVENTS } from '../../proto/archive-event.ts';
import {
  type ArchiveBench,
  messageCount,
  openArchiveBench,
  publishPayload,
  testImage,
  until,
} from '../../test/_support/archive-bench.ts';
import { natsServerBinaries } from '../../test/_support/nats-binaries.ts';
import type { HeldEvent } from '../event-source.ts';
import { createJetStreamEventSource, streamSequence } from './jetstream-event-source.ts';
import { ensureConsumer } from './topology.ts';

const never = new AbortController().signal;
const nothingPassedOver = { take: async () => undefined };

describe.each(natsServerBinaries())('event source on nats-server $version', ({ binary }) => {
  let bench: ArchiveBench;
  beforeAll(async () => {
    bench = await openArchiveBench(binary);
  });
  afterAll(() => bench.close());
  beforeEach(async () => {
    await bench.jsm.streams.purge(STREAM_EVENTS);
  });

  const source = (heartbeatMs = 2_000, expiresMs = 5_000) =>
    createJetStreamEventSource(
      bench.connection,
      () => ensureConsumer(bench.jsm, { onMismatch: () => {} }),
      nothingPassedOver,
      { expiresMs, heartbeatMs },
    );
  const publish = async (): Promise<string> => {
    const { hash } = testImage(8);
    await publishPayload(bench.connection, hash, Buffer.from(hash), `id-${hash}`);
    return hash;
  };
  const next = async (): Promise<HeldEvent> => {
    const held = await source().next(never);
    if (held === undefined) throw new Error('no event came');
    return held;
  };

  it('delivers an event with its names and takes it off the queue when acknowledged', async () => {
    const hash = await publish();
    const held = await next();
    expect(held).toMatchObject({ subjectHash: hash, messageId: `id-${hash}` });
    expect(Buffer.from(held.payload).toString()).toBe(hash);
    const { state } = await bench.jsm.streams.info(STREAM_EVENTS);
    expect(held.sequence).toBe(state.last_seq);
    held.working();
    await held.ack();
    expect(await messageCount(bench.jsm, STREAM_EVENTS)).toBe(0);
  });

  it('brings a returned event back, and removes a rejected one', async () => {
    const hash = await publish();
    (await next()).retry(0);
    (await next()).retry(50);
    const held = await next();
    expect(held.subjectHash).toBe(hash);
    await held.reject();
    expect(await messageCount(bench.jsm, STREAM_EVENTS)).toBe(0);
  });

  it('does not mind being told about an event when the connection has closed', async () => {
    const connection = await connect({ servers: bench.server.url });
    await publish();
    const held = await createJetStreamEventSource(connection, async () => {}, nothingPassedOver).next(never);
    await connection.close();
    held?.working();
    held?.retry(0);
    await expect(held?.ack()).rejects.toThrow(/CLOSED/);
    await bench.jsm.streams.purge(STREAM_EVENTS);
  });

  it('says so when nothing came in time', async () => {
    expect(await source(300, 1_000).next(never)).toBeUndefined();
  });

  it('leaves nothing behind, however many pulls there were', async () => {
    const internals = bench.connection as unknown as {
      protocol: { listeners: unknown[]; subscriptions: { size(): number } };
    };
    const figures = () => [internals.protocol.listeners.length, internals.protocol.subscriptions.size()];
    const events = source();
    for (let i = 0; i < 20; i += 1) await publish();
    const before = figures();
    for (let i = 0; i < 20; i += 1) await (await events.next(never))?.ack();
    expect(figures()).toEqual(before);
  });

  it('loses no event that is on its way when a pull is given up', async () => {
    const events = source();
    let taken = 0;
    for (let i = 0; i < 30; i += 1) {
      const abort = new AbortController();
      const pulling = events.next(abort.signal);
      const publishing = publish();
      setImmediate(() => abort.abort());
      await publishing;
      const held = await pulling;
      if (held === undefined) continue;
      taken += 1;
      await held.ack();
    }
    // Whatever was not taken must be free for anybody now, not held until ack_wait ends.
    for (let left = 30 - taken; left > 0; left -= 1) await (await next()).ack();
    expect(await messageCount(bench.jsm, STREAM_EVENTS)).toBe(0);
  });

  it('gives each of several callers an event of its own, and nobody more than he asked for', async () => {
    const events = source(300, 1_000);
    const hashes = [await publish(), await publish(), await publish(), await publish()];
    const taken = await Promise.all([1, 2, 3].map(() => events.next(never)));
    expect(taken.map((held) => held?.subjectHash)).toEqual(hashes.slice(0, 3));
    const { num_ack_pending: held, num_pending: left } = await bench.jsm.consumers.info(
      STREAM_EVENTS,
      'archiver',
    );
    expect([held, left]).toEqual([3, 1]);
    const more = await Promise.all([events.next(never), events.next(never)]);
    expect(more.map((event) => event?.subjectHash)).toEqual([hashes[3], undefined]);
    for (const event of [...taken, ...more]) await event?.ack();
  });

  it('gives up pulls of one signal only', async () => {
    const events = source();
    const abort = new AbortController();
    const given = events.next(abort.signal);
    const going = events.next(never);
    setImmediate(() => abort.abort());
    expect(await given).toBeUndefined();
    const hash = await publish();
    const held = await going;
    expect(held?.subjectHash).toBe(hash);
    await held?.ack();
  });

  it('fails when the consumer is deleted under it, and creates it with the next call', async () => {
    const events = source();
    const pulling = events.next(never);
    const outcome = pulling.then(() => 'an event', String);
    await until('pull stands', async () => {
      const { num_waiting: waiting } = await bench.jsm.consumers.info(STREAM_EVENTS, 'archiver');
      return waiting > 0;
    });
    // 2.9 has been seen to delete a consumer and then to complain about its folder.
    await bench.jsm.consumers.delete(STREAM_EVENTS, 'archiver').catch(() => {});
    expect(await outcome).toMatch(/409/);
    const hash = await publish();
    const held = await events.next(never);
    expect(held?.subjectHash).toBe(hash);
    await held?.ack();
  });

  it('fails when the server falls silent', async () => {
    const events = source(200, 60_000);
    const pulling = events.next(never);
    const outcome = pulling.then(() => 'an event', String);
    await until('pull stands', async () => {
      const { num_waiting: waiting } = await bench.jsm.consumers.info(STREAM_EVENTS, 'archiver');
      return waiting > 0;
    });
    await bench.server.kill('SIGSTOP');
    expect(await outcome).toMatch(/no sign of life/);
    await bench.server.kill('SIGCONT');
  });
});

it('reads the stream sequence from both forms of an acknowledgement subject', () => {
  expect(streamSequence('$JS.ACK.S.c.1.42.7.1700000000.3')).toBe(42);
  expect(streamSequence('$JS.ACK._.hash.S.c.1.42.7.1700000000.3.random')).toBe(42);
});
