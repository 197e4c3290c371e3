/** More calls than the service can serve, from a greedy and a polite caller at hosts of their own. */
import { once } from 'node:events';
import { type ClientReadableStream, credentials, status } from '@grpc/grpc-js';
import { expect, test, vi } from 'vitest';
import {
  type GenerateImageResponse,
  ImageGenerationServiceClient,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import type { EngineJob } from '../../services/image-generation/image-engine.ts';
import { type Collected, collect, startFixture } from '../_support/image-generation-fixture.ts';
import { createNoiseEngine } from '../_support/noise-engine.ts';
import { richStatus } from '../_support/rich-status.ts';
import { startTcpProxy } from '../_support/tcp-proxy.ts';
import { wireRequest } from '../_support/wire-request.ts';

const QUEUE = 4;

/** An engine whose jobs end one by one, when the test says so. */
function steppedEngine() {
  const started: string[] = [];
  const waiting: (() => void)[] = [];
  const engine = createNoiseEngine({
    steps: 1,
    beforeStep: ({ prompt }: EngineJob) => {
      started.push(prompt);
      return new Promise((resolve) => waiting.push(resolve));
    },
  });
  return { engine, started, endOne: () => waiting.shift()?.() };
}

async function callerAt(host: string, name: string, port: number) {
  const proxy = await startTcpProxy(port, host);
  const client = new ImageGenerationServiceClient(proxy.target, credentials.createInsecure());
  return {
    /** Calls; resolves once the call is accepted, or refused. */
    async call(): Promise<{
      stream: ClientReadableStream<GenerateImageResponse>;
      ended: Promise<Collected>;
    }> {
      const stream = client.generateImage(wireRequest({ prompt: name }));
      const ended = collect(stream);
      await Promise.race([once(stream, 'data'), ended]);
      return { stream, ended };
    },
    async [Symbol.asyncDispose]() {
      client.close();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

test('a greedy caller is refused with a time to come back; a polite one gets in, has its turn first, and loses nothing', async () => {
  const { engine, started, endOne } = steppedEngine();
  const limits = { ENGINE_CONCURRENCY: '1', ENGINE_QUEUE: String(QUEUE), ENABLE_INTERNAL_S3_UPLOAD: 'false' };
  await using service = await startFixture(limits, { engine });
  const port = service.service.grpcPort;
  await using greedy = await callerAt('127.0.0.2', 'greedy', port);
  await using polite = await callerAt('127.0.0.3', 'polite', port);

  const greedyCalls: Promise<Collected>[] = [];
  for (let call = 0; call < 1 + QUEUE + 10; call += 1) greedyCalls.push((await greedy.call()).ended);
  const politeCalls: Promise<Collected>[] = [];
  for (let call = 0; call < 2; call += 1) politeCalls.push((await polite.call()).ended);

  const refused = await Promise.all(greedyCalls.slice(1 + QUEUE));
  for (const { error } of refused) {
    const refusal = richStatus(error);
    expect(refusal).toMatchObject({ code: status.RESOURCE_EXHAUSTED, reason: 'QUEUE_FULL' });
    expect(refusal.retryAfterMs).toBeGreaterThanOrEqual(100);
  }
  for (let turn = 1; turn <= 1 + QUEUE + 2; turn += 1) {
    await vi.waitFor(() => expect(started).toHaveLength(turn), { timeout: 10_000 });
    endOne();
  }
  const served = await Promise.all([...greedyCalls.slice(0, 1 + QUEUE), ...politeCalls]);
  expect(served.map(({ error }) => error)).toEqual(served.map(() => undefined));
  expect(started).toEqual(['greedy', 'polite', 'greedy', 'polite', 'greedy', 'greedy', 'greedy']);
});

test('a caller that leaves the queue makes room for its next call', async () => {
  const { engine, started, endOne } = steppedEngine();
  const limits = { ENGINE_CONCURRENCY: '1', ENGINE_QUEUE: '1', ENABLE_INTERNAL_S3_UPLOAD: 'false' };
  await using service = await startFixture(limits, { engine });
  await using caller = await callerAt('127.0.0.2', 'a', service.service.grpcPort);
  const running = await caller.call();
  const queued = await caller.call();
  expect((await (await caller.call()).ended).error?.code).toBe(status.RESOURCE_EXHAUSTED);
  queued.stream.cancel();
  expect((await queued.ended).error?.code).toBe(status.CANCELLED);
  const next = await vi.waitFor(
    async () => {
      const call = await caller.call();
      const first = await Promise.race([call.ended, Promise.resolve(undefined)]);
      expect(first?.error).toBeUndefined();
      return call;
    },
    { timeout: 10_000 },
  );
  for (let turn = 1; turn <= 2; turn += 1) {
    await vi.waitFor(() => expect(started).toHaveLength(turn), { timeout: 10_000 });
    endOne();
  }
  expect((await running.ended).error).toBeUndefined();
  expect((await next.ended).error).toBeUndefined();
});
