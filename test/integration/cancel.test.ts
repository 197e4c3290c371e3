/**
 * A caller that goes away, at every point of a call's life and in every way: before the image exists the engine
 * stops and nothing is archived; once it exists it is archived, whatever the caller does. With a real broker.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientReadableStream, credentials, Metadata, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { decodeArchiveEvent, STREAM_BLOBS, STREAM_EVENTS } from '../../proto/archive-event.ts';
import {
  ArchiveState,
  type GenerateImageResponse,
  GenerationStage,
  ImageEncoding,
  ImageGenerationServiceClient,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import type { EngineJob, ImageEngine } from '../../services/image-generation/image-engine.ts';
import { type Collected, collect, only, startFixture } from '../_support/image-generation-fixture.ts';
import { type NatsFixture, startNatsFixture } from '../_support/nats-fixture.ts';
import { createNoiseEngine } from '../_support/noise-engine.ts';
import { startTcpProxy } from '../_support/tcp-proxy.ts';
import { wireRequest } from '../_support/wire-request.ts';

let nats: NatsFixture;
beforeAll(async () => {
  nats = await startNatsFixture();
});
beforeEach(async () => {
  for (const stream of [STREAM_EVENTS, STREAM_BLOBS]) await nats.manager.streams.purge(stream);
});
afterAll(() => nats[Symbol.asyncDispose]());

/** Long enough to reach every point on a busy machine. */
const DEADLINE_MS = 2_500;
/** Noise of this size takes a second to become a PNG; half of it is soon made and still overfills the windows. */
const largeRequest = (point: Point) => {
  const size = point === 'encoding' ? 2048 : 1024;
  return { width: size, height: size, imageEncoding: ImageEncoding.IMAGE_ENCODING_PNG };
};

type Point = 'queued' | 'generating' | 'encoding' | 'streaming' | 'handing over';
type Way = 'cancels' | 'lets its deadline pass' | 'loses its connection';
const WAYS: readonly Way[] = ['cancels', 'lets its deadline pass', 'loses its connection'];
/** What the caller gets, and what the server's log may say. */
const OUTCOMES: Readonly<Record<Way, readonly [caller: number, log: readonly string[]]>> = {
  cancels: [status.CANCELLED, ['CANCELLED']],
  // The caller's own clock also cancels the call; either may come first.
  'lets its deadline pass': [status.DEADLINE_EXCEEDED, ['DEADLINE_EXCEEDED', 'CANCELLED']],
  'loses its connection': [status.UNAVAILABLE, ['CANCELLED']],
};

interface Watched {
  readonly ended: Promise<Collected>;
  /** Resolves when the call is at the point. */
  reached(point: Point): Promise<void>;
}

function watch(stream: ClientReadableStream<GenerateImageResponse>): Watched {
  const waiting = new Set<() => void>();
  const seen = new Set<Point>();
  const enter = (point: Point): void => {
    seen.add(point);
    for (const wake of waiting) wake();
  };
  const ended = collect(stream);
  let left = 0n;
  stream.on('data', ({ event }: GenerateImageResponse) => {
    if (event?.$case === 'progress') {
      const { stage } = event.value;
      if (stage === GenerationStage.GENERATION_STAGE_QUEUED) enter('queued');
      if (stage === GenerationStage.GENERATION_STAGE_SAMPLING) enter('generating');
      if (stage === GenerationStage.GENERATION_STAGE_ENCODING) enter('encoding');
    }
    if (event?.$case === 'header') left = event.value.sizeBytes;
    if (event?.$case !== 'chunk') return;
    left -= BigInt(event.value.data.length);
    enter(left === 0n ? 'handing over' : 'streaming');
  });
  return {
    ended,
    async reached(point) {
      const tooEarly = (async () => {
        const { error } = await ended;
        if (!seen.has(point)) throw new Error(`ended before ${point}: ${error?.message}`);
      })();
      while (!seen.has(point)) await Promise.race([tooEarly, new Promise<void>((wake) => waiting.add(wake))]);
    },
  };
}

/** Counts jobs; `hold` keeps them before their second step, `deadline` is when the caller of the job leaves. */
function observedEngine(
  hold: boolean,
  imageAt?: number,
): { engine: ImageEngine; jobs: string[]; running: () => number } {
  const jobs: string[] = [];
  let running = 0;
  const engine = createNoiseEngine({
    beforeStep: async ({ requestId }, step, signal) => {
      if (step === 1) {
        jobs.push(requestId);
        running += 1;
      } else if (hold && !signal.aborted) await once(signal, 'abort');
    },
    onEnd: () => {
      running -= 1;
    },
    image: async ({ width, height, seed }: EngineJob) => {
      const image = { kind: 'pixels', data: randomBytes(width * height * 3), width, height } as const;
      if (imageAt !== undefined) await sleep(imageAt - Date.now());
      return { type: 'image', image, seed, warnings: [] };
    },
  });
  return { engine, jobs, running: () => running };
}

/** Ids of the requests that were handed over. */
async function archivedRequests(): Promise<string[]> {
  const { state } = await nats.manager.streams.info(STREAM_EVENTS);
  const ids: string[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq && state.messages > 0; seq += 1) {
    ids.push(
      decodeArchiveEvent((await nats.manager.streams.getMessage(STREAM_EVENTS, { seq })).data).requestId,
    );
  }
  return ids;
}

const cases = (points: readonly Point[]) => points.flatMap((point) => WAYS.map((way) => ({ point, way })));

test.each(cases(['queued', 'generating', 'encoding', 'streaming']))(
  'a caller that $way while $point',
  async ({ point, way }) => {
    const imageExists = point === 'encoding' || point === 'streaming';
    const start = Date.now();
    const late = point === 'encoding' && way === 'lets its deadline pass';
    const { engine, jobs, running } = observedEngine(
      !imageExists,
      late ? start + DEADLINE_MS - 150 : undefined,
    );
    const environment = { NATS_URL: nats.server.url, ENGINE_CONCURRENCY: '1', CHUNK_BYTES: '16384' };
    await using service = await startFixture(environment, { engine });
    await using proxy = await startTcpProxy(service.service.grpcPort);
    const client = new ImageGenerationServiceClient(proxy.target, credentials.createInsecure());
    const other = point === 'queued' ? service.client.generateImage(wireRequest()) : undefined;
    const otherWatched = other && watch(other);
    await otherWatched?.reached('generating');

    const requestId = randomUUID();
    const deadline = way === 'lets its deadline pass' ? { deadline: start + DEADLINE_MS } : {};
    const stream = client.generateImage(
      wireRequest({ ...largeRequest(point), requestId }),
      new Metadata(),
      deadline,
    );
    const watched = watch(stream);
    await watched.reached(point);
    if (point === 'streaming') stream.pause();
    if (way === 'cancels') stream.cancel();
    if (way === 'loses its connection') proxy.cut();
    const loggedCode = (): unknown =>
      service.logLines.find((line) => line['requestId'] === requestId && 'code' in line)?.['code'];
    await vi.waitFor(() => expect(OUTCOMES[way][1]).toContain(loggedCode()), { timeout: 10_000 });
    stream.resume();
    const { error, events } = await watched.ended;
    expect(error?.code).toBe(OUTCOMES[way][0]);
    expect(events.some(({ event }) => event?.$case === 'header')).toBe(point === 'streaming');
    other?.cancel();
    await otherWatched?.ended;
    client.close();

    // What the service owes to the archive it settles before it has stopped.
    await service.service.stop();
    expect(running()).toBe(0);
    expect(jobs.includes(requestId)).toBe(point !== 'queued');
    expect(await archivedRequests()).toEqual(imageExists ? [requestId] : []);
  },
  30_000,
);

test.each(['cancels', 'loses its connection'] as const)(
  'a caller that %s while the broker does not answer the hand-off',
  async (way) => {
    const { engine } = observedEngine(false);
    const environment = { NATS_URL: nats.server.url, HANDOFF_DEADLINE_MS: '10000' };
    await using service = await startFixture(environment, { engine });
    await using proxy = await startTcpProxy(service.service.grpcPort);
    const client = new ImageGenerationServiceClient(proxy.target, credentials.createInsecure());
    // The connection to the broker stands before the broker freezes.
    await collect(service.client.generateImage(wireRequest({ width: 16, height: 16 })));
    await nats.manager.streams.purge(STREAM_EVENTS);
    await nats.server.kill('SIGSTOP');
    const requestId = randomUUID();
    try {
      const stream = client.generateImage(wireRequest({ requestId, width: 64, height: 64 }));
      const watched = watch(stream);
      await watched.reached('handing over');
      if (way === 'cancels') stream.cancel();
      else proxy.cut();
      const { error, events } = await watched.ended;
      expect(error?.code).toBe(OUTCOMES[way][0]);
      expect(events.some(({ event }) => event?.$case === 'result')).toBe(false);
    } finally {
      await nats.server.kill('SIGCONT');
      client.close();
    }
    await vi.waitFor(async () => expect(await archivedRequests()).toEqual([requestId]), { timeout: 15_000 });
  },
  30_000,
);

test('a deadline never passes while handing over: the result comes before it and says SPOOLED', async () => {
  const { engine } = observedEngine(false);
  const environment = { NATS_URL: nats.server.url, HANDOFF_DEADLINE_MS: '10000' };
  await using service = await startFixture(environment, { engine });
  await collect(service.client.generateImage(wireRequest({ width: 16, height: 16 })));
  await nats.manager.streams.purge(STREAM_EVENTS);
  await nats.server.kill('SIGSTOP');
  const requestId = randomUUID();
  try {
    const request = wireRequest({ requestId, width: 64, height: 64 });
    const deadline = Date.now() + 1_000;
    const collected = await collect(service.client.generateImage(request, new Metadata(), { deadline }));
    expect(collected.error).toBeUndefined();
    expect(only(collected, 'result').archive?.state).toBe(ArchiveState.ARCHIVE_STATE_SPOOLED);
  } finally {
    await nats.server.kill('SIGCONT');
  }
  await vi.waitFor(async () => expect(await archivedRequests()).toEqual([requestId]), { timeout: 15_000 });
}, 30_000);
