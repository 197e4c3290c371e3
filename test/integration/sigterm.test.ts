/** The real process, with an engine of noise, stopped as Kubernetes stops it, while callers are in the middle of their images. */
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClientReadableStream, credentials, makeClientConstructor } from '@grpc/grpc-js';
import { service as healthDefinition } from 'grpc-health-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type ManagedProcess, startManagedProcess } from '../../deploy/dev/managed-process.ts';
import { STREAM_EVENTS } from '../../proto/archive-event.ts';
import { ArchiveState } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { QUEUE_FOLDER } from '../../services/image-generation/handoff/spool-file.ts';
import { collect, only, startFixture } from '../_support/image-generation-fixture.ts';
import { startNatsFixture } from '../_support/nats-fixture.ts';
import { createNoiseEngine } from '../_support/noise-engine.ts';
import { callAndPause, isIntact } from '../_support/paused-call.ts';
import { wireRequest } from '../_support/wire-request.ts';

const NOWHERE = 'nats://127.0.0.1:1';
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sekai-sigterm-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const startService = (natsUrl: string): Promise<ManagedProcess> =>
  startManagedProcess({
    name: 'service',
    entry: 'test/_support/steady-service.js',
    environment: {
      GRPC_LISTEN: '127.0.0.1:0',
      ADMIN_LISTEN: '127.0.0.1:0',
      NATS_URL: natsUrl,
      SPOOL_DIR: join(directory, 'spool'),
      CHUNK_BYTES: '16384',
      TEST_GENERATION_MS: '10',
    },
    logFile: join(directory, 'service.log'),
    readyMessage: 'steady service is ready',
  });

const targetOf = ({ ready }: ManagedProcess): string => `127.0.0.1:${String(ready['grpcPort'])}`;
const spooled = (): Promise<string[]> => readdir(join(directory, 'spool', QUEUE_FOLDER));

/**
 * Calls that each have more to read than is read ahead of them: 16 messages of 16 KiB that a paused client's stream
 * takes all the same, and 64 KiB of window. These images have 50 messages.
 */
const callsInTheMiddle = (service: ManagedProcess, calls: number) =>
  Promise.all(
    Array.from({ length: calls }, (_, seed) => {
      const size = { width: 768, height: 768, imageQuality: 100 };
      return callAndPause(targetOf(service), wireRequest({ seed, steps: 1, ...size }));
    }),
  );

/** Watches the service's health; the stream stays open. */
async function watchHealth(service: ManagedProcess) {
  const Health = makeClientConstructor(healthDefinition, 'Health');
  const client = new Health(targetOf(service), credentials.createInsecure());
  const watch = client['watch'] as (request: { service: string }) => ClientReadableStream<{ status: string }>;
  const stream = watch.call(client, { service: '' });
  stream.on('error', () => {}); // Its connection ends with the service.
  const [first] = (await once(stream, 'data')) as [{ status: unknown }];
  return { first: first.status, next: once(stream, 'data'), close: () => client.close() };
}

test('SIGTERM in the middle of 50 streams, with an open health watch: all end OK and intact, code 0, nothing is left in the spool', async () => {
  await using nats = await startNatsFixture();
  const service = await startService(nats.server.url);
  const watch = await watchHealth(service);
  const calls = await callsInTheMiddle(service, 50);
  expect(service.lines.filter(({ msg }) => msg === 'call ended')).toEqual([]);
  const exited = service.stop();
  const [{ status }] = (await watch.next) as [{ status: unknown }];
  expect([watch.first, status]).toEqual(['SERVING', 'NOT_SERVING']);
  const ended = await Promise.all(calls.map((call) => call.resume()));
  expect(ended.map(({ error }) => error?.message)).toEqual(calls.map(() => undefined));
  expect(ended.every(isIntact)).toBe(true);
  expect(await exited).toBe(0);
  // Every line is a line of our log: Node had nothing to warn of.
  const strange = service.lines.filter((line) => typeof line['level'] !== 'string' && line !== service.ready);
  expect(strange).toEqual([]);
  watch.close();
  expect(await spooled()).toEqual([]);
  const hashes = new Set(ended.map((call) => only(call, 'result').imageHash));
  expect(hashes.size).toBe(50);
  expect((await nats.manager.streams.info(STREAM_EVENTS)).state.messages).toBe(50);
}, 60_000);

test('SIGTERM while NATS is gone: calls end OK, code 0, and the next start hands the spool over', async () => {
  const service = await startService(NOWHERE);
  const calls = await callsInTheMiddle(service, 5);
  const exited = service.stop();
  const ended = await Promise.all(calls.map((call) => call.resume()));
  expect(ended.every(isIntact)).toBe(true);
  for (const call of ended) {
    expect(only(call, 'result').archive?.state).toBe(ArchiveState.ARCHIVE_STATE_SPOOLED);
  }
  expect(await exited).toBe(0);
  expect(await spooled()).toHaveLength(5);

  await using nats = await startNatsFixture();
  const next = await startService(nats.server.url);
  await vi.waitFor(async () => expect(await spooled()).toEqual([]), { timeout: 15_000 });
  expect((await nats.manager.streams.info(STREAM_EVENTS)).state.messages).toBe(5);
  for (const call of ended) {
    const { imageHash } = only(call, 'result');
    expect((await nats.queuedEvent(imageHash))?.imageHash).toBe(imageHash);
  }
  expect(await next.stop()).toBe(0);
}, 60_000);

test('a second signal ends the process at once, whatever is still to be sent', async () => {
  const service = await startService(NOWHERE);
  const watch = await watchHealth(service);
  const [call] = await callsInTheMiddle(service, 1);
  const exited = service.stop();
  await watch.next;
  await service.kill('SIGTERM');
  expect(await exited).toBe(1);
  expect((await call?.resume())?.error).toBeDefined();
  watch.close();
}, 30_000);

test('calls that wait for the engine when the service stops still get their images', async () => {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  const engine = createNoiseEngine({ beforeStep: () => opened });
  const environment = { ENABLE_INTERNAL_S3_UPLOAD: 'false', ENGINE_CONCURRENCY: '1' };
  await using fixture = await startFixture(environment, { engine });
  const streams = Array.from({ length: 4 }, () => fixture.client.generateImage(wireRequest()));
  const ended = streams.map(collect);
  await Promise.all(streams.map((stream) => once(stream, 'data')));
  const stopped = fixture.service.stop();
  open();
  expect((await Promise.all(ended)).map(({ error }) => error)).toEqual(streams.map(() => undefined));
  await stopped;
});
