/** The whole service in front of an engine over HTTP: what the engine hears, what the caller and the archive get. */
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { imageGenerationConfig } from '../../services/image-generation/config.ts';
import { type SdapiSimulator, startSdapiSimulator } from '../_support/engines/sdapi-simulator.ts';
import { ENGINE_SECRET } from '../_support/engines/engine-simulator.ts';
import {
  collect,
  type ImageGenerationFixture,
  only,
  startFixture,
} from '../_support/image-generation-fixture.ts';
import { richStatus } from '../_support/rich-status.ts';
import { wireRequest } from '../_support/wire-request.ts';

const WAIT = { timeout: 10_000, interval: 10 };
const REQUEST = {
  prompt: 'a harbour at night',
  width: 256,
  height: 128,
  seed: 77,
  steps: 6,
  loras: [
    { name: 'inkstyle', strength: 0.8, textEncoderStrength: 0.5 },
    { name: 'watercolour', strength: undefined, textEncoderStrength: undefined },
  ],
};

let simulator: SdapiSimulator;
let service: ImageGenerationFixture;

async function begin(environment: Record<string, string> = {}): Promise<void> {
  simulator = await startSdapiSimulator();
  service = await startFixture({
    ENABLE_INTERNAL_S3_UPLOAD: 'false',
    ENGINE: 'sdapi',
    ENGINE_URLS: simulator.url,
    ...environment,
  });
}

const generate = (fields: Parameters<typeof wireRequest>[0] = {}) =>
  collect(service.client.generateImage(wireRequest({ ...REQUEST, ...fields })));
const readyz = async (): Promise<{ status: number; text: string }> => {
  const answer = await fetch(`http://127.0.0.1:${service.service.adminPort}/readyz`);
  return { status: answer.status, text: await answer.text() };
};

describe('with an engine that is there', () => {
  beforeEach(() => begin());
  afterEach(async () => {
    await service[Symbol.asyncDispose]();
    await simulator.close();
  });

  test('two LoRAs, size, seed and steps reach the engine exactly as asked for', async () => {
    const collected = await generate();
    expect(collected.error).toBeUndefined();
    expect(simulator.jobs).toHaveLength(1);
    expect(simulator.jobs[0]).toMatchObject({
      prompt: 'a harbour at night',
      width: 256,
      height: 128,
      seed: 77,
      steps: 6,
      model: 'dreamshaper_8',
      loras: [
        { name: 'inkstyle', strength: 0.8, textEncoderStrength: 0.5 },
        { name: 'watercolour', strength: 1, textEncoderStrength: 1 },
      ],
    });
    expect(only(collected, 'accepted')).toMatchObject({
      engine: 'sdapi',
      requestId: simulator.bodies[0]?.['force_task_id'],
    });
    expect(only(collected, 'header')).toMatchObject({ width: 256, height: 128 });
    expect(only(collected, 'result')).toMatchObject({ seed: 77, warnings: [] });
  });

  test('killing the engine in the middle of a job is UNAVAILABLE; the next call after its restart succeeds', async () => {
    simulator.hold();
    const running = generate();
    await vi.waitFor(() => expect(simulator.jobs[0]?.state).toBe('running'), WAIT);
    await simulator.kill();
    const { error } = await running;
    expect(richStatus(error)).toMatchObject({
      code: status.UNAVAILABLE,
      reason: 'BACKEND_UNAVAILABLE',
      retryAfterMs: 1000,
    });
    await simulator.restart();
    expect((await generate()).error).toBeUndefined();
  });

  test('an engine that is down makes the service unready, and is UNAVAILABLE at once', async () => {
    await vi.waitFor(async () => expect((await readyz()).status).toBe(200), WAIT);
    await simulator.kill();
    expect(richStatus((await generate()).error)).toMatchObject({
      code: status.UNAVAILABLE,
      retryAfterMs: 1000,
    });
    await vi.waitFor(
      async () =>
        expect(await readyz()).toMatchObject({
          status: 503,
          text: expect.stringContaining('engine') as string,
        }),
      WAIT,
    );
    await simulator.restart();
    await vi.waitFor(async () => expect((await readyz()).status).toBe(200), WAIT);
  });

  test('what the engine says about a failure stays in the log, and the prompt is in neither', async () => {
    simulator.spoil('out-of-memory');
    const rich = richStatus((await generate()).error);
    expect(rich).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      reason: 'BACKEND_OUT_OF_MEMORY',
      retryAfterMs: undefined,
    });
    expect(rich.everything).not.toContain(ENGINE_SECRET);
    expect(JSON.stringify(service.logLines)).toContain('CUDA out of memory');
    expect(JSON.stringify(service.logLines)).not.toContain('a harbour at night');
  });

  test('a tag cannot be smuggled past the LoRA settings', async () => {
    for (const prompt of ['a sea <lora:inkstyle:2>', 'a sea <lora:inkstyle:2', 'a sea <hypernet:x:1>']) {
      const { error } = await generate({ prompt });
      expect(richStatus(error)).toMatchObject({
        code: status.INVALID_ARGUMENT,
        reason: 'PROMPT_CONTROL_TAG',
      });
    }
    expect(simulator.jobs).toEqual([]);
  });

  test('the JSON document says what was used', async () => {
    const collected = await generate({ responseFormat: 2 });
    const document = JSON.parse(collected.bytes.toString('utf8')) as { parameters: unknown; model: string };
    expect(document).toMatchObject({
      engine: 'sdapi',
      model: 'dreamshaper_8',
      parameters: { seed: 77, steps: 6, sampler: 'Euler' },
    });
  });

  test('more calls than places wait their turn', async () => {
    const calls = await Promise.all([generate({ seed: 1 }), generate({ seed: 2 }), generate({ seed: 3 })]);
    expect(calls.map(({ error }) => error)).toEqual([undefined, undefined, undefined]);
    expect(simulator.jobs.map(({ state }) => state)).toEqual(['done', 'done', 'done']);
  });
});

describe('configuration', () => {
  const faultsOf = (environment: Record<string, string>): string => {
    try {
      imageGenerationConfig(environment);
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  };

  test('of an engine over HTTP needs URLs, and not more jobs at once than they have places', () => {
    expect(faultsOf({ ENGINE: 'sdapi' })).toMatch(/ENGINE_URLS: expected .*got nothing/);
    expect(
      faultsOf({ ENGINE: 'sdapi', ENGINE_URLS: 'http://a:1,http://b:1', ENGINE_CONCURRENCY: '3' }),
    ).toMatch(/ENGINE_CONCURRENCY: expected at most 2/);
    expect(faultsOf({ ENGINE: 'sdapi', ENGINE_URLS: 'http://a:1', ENGINE_CONCURRENCY: '1' })).toBe('');
    expect(faultsOf({ ENGINE: 'nonesuch' })).toMatch(/ENGINE: expected one of procedural, sdapi/);
  });

  test('never prints a key, and reads it from one place', () => {
    const faults = faultsOf({
      ENGINE: 'sdapi',
      ENGINE_URLS: 'ftp://user:hidden@a',
      ENGINE_API_KEY: 'sk-secret',
    });
    expect(faults).not.toMatch(/sk-secret|hidden/);
    const both = {
      ENGINE: 'sdapi',
      ENGINE_URLS: 'http://a:1',
      ENGINE_API_KEY: 'sk-secret',
      ENGINE_API_KEY_FILE: '/nowhere',
    };
    expect(faultsOf(both)).toMatch(
      /ENGINE_API_KEY_FILE: expected nothing beside ENGINE_API_KEY[\s\S]*ENGINE_API_KEY_FILE: expected a file/,
    );
    expect(faultsOf(both)).not.toContain('sk-secret');
  });
});
