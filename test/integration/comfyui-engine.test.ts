/** The whole service, archive included, in front of ComfyUI: what the engine hears, what the caller and the record get. */
import { status } from '@grpc/grpc-js';
import sharp from 'sharp';
import { expect, test, vi } from 'vitest';
import { startComfyuiSimulator } from '../_support/engines/comfyui-simulator.ts';
import { ENGINE_SECRET } from '../_support/engines/engine-simulator.ts';
import { collect, only, startFixture } from '../_support/image-generation-fixture.ts';
import { richStatus } from '../_support/rich-status.ts';
import { startStackFixture } from '../_support/stack-fixture.ts';
import { wireRequest } from '../_support/wire-request.ts';

const WAIT = { timeout: 10_000, interval: 10 };
const REQUEST = {
  prompt: 'a harbour at night',
  negativePrompt: 'fog',
  width: 256,
  height: 128,
  seed: 4_294_967_295,
  steps: 6,
  guidanceScale: 5.5,
  sampler: 'dpmpp_2m karras',
  model: 'sd_xl_base_1.0',
  loras: [
    { name: 'inkstyle', strength: 0.75, textEncoderStrength: 0.5 },
    { name: 'watercolour', strength: undefined, textEncoderStrength: undefined },
  ],
};

test('two LoRAs reach the engine exactly as asked for, and the record says what was used', async () => {
  const simulator = await startComfyuiSimulator();
  try {
    await using system = await startStackFixture();
    await using service = await startFixture({
      NATS_URL: system.archive.nats.url,
      ENGINE: 'comfyui',
      ENGINE_URLS: simulator.url,
    });
    const collected = await collect(service.client.generateImage(wireRequest(REQUEST)));
    expect(collected.error).toBeUndefined();
    const loras = [
      { name: 'inkstyle', strength: 0.75, textEncoderStrength: 0.5 },
      { name: 'watercolour', strength: 1, textEncoderStrength: 1 },
    ];
    expect(simulator.jobs).toHaveLength(1);
    expect(simulator.jobs[0]).toMatchObject({ ...REQUEST, loras });
    expect(only(collected, 'accepted')).toMatchObject({ engine: 'comfyui' });
    const result = only(collected, 'result');
    expect(result).toMatchObject({ seed: 4_294_967_295, warnings: [] });
    expect(await sharp(collected.bytes).metadata()).toMatchObject({
      format: 'jpeg',
      width: 256,
      height: 128,
    });
    const { record } = await system.storedPair(result.imageHash);
    expect(record).toMatchObject({
      engine: {
        name: 'comfyui',
        model: 'sd_xl_base_1.0',
        reported: {
          model: 'sdxl/sd_xl_base_1.0.safetensors',
          sampler: 'dpmpp_2m',
          steps: 6,
          guidance_scale: 5.5,
          details: {
            workflow: 'stable-diffusion',
            scheduler: 'karras',
            job_id: simulator.bodies[0]?.['prompt_id'],
          },
        },
      },
      parameters: {
        prompt: 'a harbour at night',
        negative_prompt: 'fog',
        seed: 4_294_967_295,
        steps: 6,
        sampler: 'dpmpp_2m karras',
        loras: [
          { name: 'inkstyle', strength: 0.75, text_encoder_strength: 0.5 },
          { name: 'watercolour', strength: 1, text_encoder_strength: 1 },
        ],
      },
    });
  } finally {
    await simulator.close();
  }
}, 60_000);

test('progress, refusals, a crash and a cancel come through the service as documented', async () => {
  const simulator = await startComfyuiSimulator();
  try {
    await using service = await startFixture({
      ENABLE_INTERNAL_S3_UPLOAD: 'false',
      ENGINE: 'comfyui',
      ENGINE_URLS: simulator.url,
    });
    const call = (fields: Parameters<typeof wireRequest>[0] = {}) =>
      service.client.generateImage(wireRequest({ ...REQUEST, ...fields }));

    const good = await collect(call({ includePreviews: true }));
    expect(good.error).toBeUndefined();
    const kinds = good.events.map(({ event }) => event?.$case);
    expect(kinds).toContain('progress');

    const unknown = { name: 'nonesuch', strength: undefined, textEncoderStrength: undefined };
    expect(richStatus((await collect(call({ loras: [unknown] }))).error)).toMatchObject({
      code: status.NOT_FOUND,
      reason: 'LORA_NOT_FOUND',
    });

    simulator.spoil('out-of-memory');
    const rich = richStatus((await collect(call())).error);
    expect(rich).toMatchObject({ code: status.RESOURCE_EXHAUSTED, reason: 'BACKEND_OUT_OF_MEMORY' });
    expect(rich.everything).not.toContain(ENGINE_SECRET);
    expect(JSON.stringify(service.logLines)).toContain('OutOfMemoryError');
    expect(JSON.stringify(service.logLines)).not.toContain('a harbour at night');

    simulator.hold();
    const taken = simulator.jobs.length;
    const stream = call();
    const cancelled = collect(stream);
    await vi.waitFor(() => expect(simulator.jobs[taken]?.state).toBe('running'), WAIT);
    stream.cancel();
    expect((await cancelled).error?.code).toBe(status.CANCELLED);
    await vi.waitFor(() => expect(simulator.jobs[taken]?.state).toBe('interrupted'), WAIT);
    simulator.letGo();

    const crashing = collect(call());
    simulator.hold();
    await vi.waitFor(() => expect(simulator.jobs[taken + 1]?.state).toBe('running'), WAIT);
    await simulator.kill();
    expect(richStatus((await crashing).error)).toMatchObject({
      code: status.UNAVAILABLE,
      reason: 'BACKEND_UNAVAILABLE',
      retryAfterMs: 1000,
    });
    await simulator.restart();
    expect((await collect(call())).error).toBeUndefined();
  } finally {
    await simulator.close();
  }
}, 60_000);
