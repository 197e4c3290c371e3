/** The whole service in front of an engine that speaks the OpenAI images protocol, the archive included. */
import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import { imageGenerationConfig } from '../../services/image-generation/config.ts';
import { createImageGenerationClient } from '../../services/client/image-generation-client.ts';
import {
  FORBIDDEN,
  type OpenaiSimulator,
  type OpenaiSimulatorOptions,
  RETRY_AFTER_SECONDS,
  startOpenaiSimulator,
} from '../_support/engines/openai-simulator.ts';
import { ENGINE_SECRET } from '../_support/engines/engine-simulator.ts';
import {
  collect,
  type ImageGenerationFixture,
  only,
  startFixture,
} from '../_support/image-generation-fixture.ts';
import { richStatus } from '../_support/rich-status.ts';
import { startStackFixture } from '../_support/stack-fixture.ts';
import { wireRequest } from '../_support/wire-request.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function begin(
  simulated: OpenaiSimulatorOptions,
  environment: Record<string, string> = {},
): Promise<{ simulator: OpenaiSimulator; service: ImageGenerationFixture }> {
  const simulator = await startOpenaiSimulator(simulated);
  closing.push(() => simulator.close());
  const service = await startFixture({
    ENABLE_INTERNAL_S3_UPLOAD: 'false',
    ENGINE: 'openai',
    ENGINE_URLS: simulator.url,
    ...environment,
  });
  closing.push(() => service[Symbol.asyncDispose]());
  return { simulator, service };
}

test('the engine hears exactly what was asked for, and the archive record says so', async () => {
  await using system = await startStackFixture();
  const { simulator, service } = await begin(
    { flavour: 'vllm-omni' },
    {
      ENABLE_INTERNAL_S3_UPLOAD: 'true',
      NATS_URL: system.archive.nats.url,
      ENGINE_DIALECT: 'vllm-omni',
      ENGINE_LORAS: 'inkstyle=/srv/loras/ink',
    },
  );
  const client = createImageGenerationClient({ target: service.target });
  closing.push(async () => client.close());
  const { bytes, result } = await client.generateImage({
    prompt: 'a harbour at night',
    negativePrompt: 'fog',
    width: 256,
    height: 128,
    seed: 4_294_967_295,
    steps: 6,
    guidanceScale: 4.5,
    loras: [{ name: 'inkstyle', strength: 0.75, textEncoderStrength: undefined }],
  });
  expect(simulator.jobs).toHaveLength(1);
  expect(simulator.jobs[0]).toMatchObject({
    prompt: 'a harbour at night',
    negativePrompt: 'fog',
    width: 256,
    height: 128,
    seed: 4_294_967_295,
    steps: 6,
    guidanceScale: 4.5,
    model: 'Qwen/Qwen-Image',
    loras: [{ name: 'inkstyle', strength: 0.75 }],
  });
  const { image, record } = await system.storedPair(result.imageHash);
  expect(image.equals(bytes)).toBe(true);
  expect(record).toMatchObject({
    engine: {
      name: 'openai',
      model: 'Qwen/Qwen-Image',
      reported: { details: { output_format: 'png', size: '256x128' } },
    },
    parameters: {
      prompt: 'a harbour at night',
      negative_prompt: 'fog',
      width: 256,
      height: 128,
      seed: 4_294_967_295,
      steps: 6,
      guidance_scale: 4.5,
      loras: [{ name: 'inkstyle', strength: 0.75, text_encoder_strength: 0.75 }],
    },
    warnings: [],
  });
  expect(JSON.stringify(record)).not.toContain('/srv/loras');
}, 60_000);

describe('with OpenAI', () => {
  const MODEL = { model: 'gpt-image-1' };
  const generate = (service: ImageGenerationFixture, fields: Parameters<typeof wireRequest>[0] = {}) =>
    collect(service.client.generateImage(wireRequest({ ...MODEL, ...fields })));

  test('partial images become previews, and a drawn seed a warning', async () => {
    const { service } = await begin({});
    const collected = await generate(service, { includePreviews: true });
    expect(collected.error).toBeUndefined();
    expect(collected.events.some(({ event }) => event?.$case === 'preview')).toBe(true);
    expect(only(collected, 'header')).toMatchObject({ width: 1_024, height: 1_024 });
    expect(only(collected, 'result').warnings).toMatchObject([{ reason: 'SEED_NOT_USED', field: 'seed' }]);
  });

  test.each([
    ['a seed', { seed: 5 }, /^seed: /],
    ['a size not in the list', { width: 1_280, height: 720 }, /1024x1024, 1536x1024, 1024x1536/],
    ['a negative prompt', { negativePrompt: 'fog' }, /^negative_prompt: /],
  ] as const)('%s is FAILED_PRECONDITION before the engine hears of it', async (_, fields, message) => {
    const { simulator, service } = await begin({});
    const { error, events } = await generate(service, fields);
    expect(richStatus(error)).toMatchObject({
      code: status.FAILED_PRECONDITION,
      reason: 'UNSUPPORTED_BY_BACKEND',
      message: expect.stringMatching(message) as string,
    });
    expect(events).toEqual([]);
    expect(simulator.bodies).toEqual([]);
  });

  test('what the content filter withholds is FAILED_PRECONDITION, CONTENT_FILTERED', async () => {
    const { service } = await begin({});
    const rich = richStatus((await generate(service, { prompt: `${FORBIDDEN}, and a garden` })).error);
    expect(rich).toMatchObject({ code: status.FAILED_PRECONDITION, reason: 'CONTENT_FILTERED' });
    expect(rich.everything).not.toMatch(/safety system|garden/);
    expect(JSON.stringify(service.logLines)).not.toContain('garden');
  });

  test('its retry-after reaches the caller', async () => {
    const { simulator, service } = await begin({});
    simulator.spoil('too-many-requests');
    const rich = richStatus((await generate(service)).error);
    expect(rich).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      reason: 'QUEUE_FULL',
      retryAfterMs: RETRY_AFTER_SECONDS * 1_000,
    });
    expect(rich.everything).not.toContain(ENGINE_SECRET);
  });

  test('the key of the environment opens it, and is logged nowhere', async () => {
    const { service } = await begin({ key: () => 'sk-environment' }, { ENGINE_API_KEY: 'sk-environment' });
    expect((await generate(service)).error).toBeUndefined();
    expect(JSON.stringify(service.logLines)).not.toContain('sk-environment');
  });
});

describe('configuration', () => {
  const read = (environment: Record<string, string>) =>
    imageGenerationConfig({ ENGINE: 'openai', ENGINE_URLS: 'http://a:1', ...environment });

  test('reads dialect, models, LoRAs and origins', () => {
    const { engine } = read({
      ENGINE_DIALECT: 'vllm-omni',
      ENGINE_MODELS: 'one, two,one',
      ENGINE_LORAS: 'ink=/srv/ink,wash=acme/wash-lora',
      ENGINE_IMAGE_ORIGINS: 'https://cdn.example/pictures',
    });
    expect(engine).toMatchObject({
      kind: 'openai',
      dialect: 'vllm-omni',
      models: ['one', 'two'],
      loras: new Map([
        ['ink', '/srv/ink'],
        ['wash', 'acme/wash-lora'],
      ]),
      imageOrigins: ['https://cdn.example'],
    });
    expect(read({}).engine).toMatchObject({ dialect: 'auto', models: [], imageOrigins: [] });
    expect(read({ ENGINE_URLS: 'https://api.openai.com/v1' }).engine).toMatchObject({ dialect: 'openai' });
  });

  test.each([
    [{ ENGINE_DIALECT: 'dall-e' }, /ENGINE_DIALECT: expected one of auto, openai/],
    [{ ENGINE_MODELS: 'one,,two' }, /ENGINE_MODELS: expected a comma list/],
    [{ ENGINE_DIALECT: 'vllm-omni', ENGINE_LORAS: '../ink=/srv' }, /ENGINE_LORAS: expected a comma list/],
    [{ ENGINE_DIALECT: 'vllm-omni', ENGINE_LORAS: 'ink=/a,ink=/b' }, /ENGINE_LORAS: expected a comma list/],
    [{ ENGINE_LORAS: 'ink=/srv/ink' }, /ENGINE_LORAS: expected nothing, unless ENGINE_DIALECT=vllm-omni/],
    [{ ENGINE_IMAGE_ORIGINS: 'file:///srv' }, /ENGINE_IMAGE_ORIGINS: expected a comma list of URLs/],
  ] as const)('refuses %j', (environment, fault) => {
    expect(() => read(environment as unknown as Record<string, string>)).toThrow(fault);
  });
});
