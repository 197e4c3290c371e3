import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { eventsOf, jobOf, never } from '../../../../test/_support/engines/engine-calls.ts';
import { ENGINE_SECRET } from '../../../../test/_support/engines/engine-simulator.ts';
import { engineOn, imageOf } from '../../../../test/_support/engines/openai-calls.ts';
import {
  FORBIDDEN,
  PICTURES_PATH,
  RETRY_AFTER_SECONDS,
} from '../../../../test/_support/engines/openai-simulator.ts';

const SQUARE = { width: 1_024, height: 1_024 };

describe('models', () => {
  test.each([
    ['openai', ['gpt-image-2', 'gpt-image-1', 'dall-e-2', 'dall-e-3', 'studio-image']],
    ['vllm-omni', ['Qwen/Qwen-Image']],
    ['sglang', ['black-forest-labs/FLUX.1-dev']],
    ['localai', ['stablediffusion']],
    ['ovms', ['OpenVINO/stable-diffusion-v1-5']],
    ['lemonade', ['SD-Turbo']],
  ] as const)('of %s are found, as the dialect is, without configuration', async (flavour, names) => {
    const { engine, simulator } = await engineOn({ flavour }, { dialect: 'auto' });
    const { models, supportsSeed } = await engine.capabilities(never());
    expect(models.map(({ name }) => name)).toEqual(names);
    expect(supportsSeed).toBe(flavour !== 'openai');
    await imageOf(engine, { model: names.at(-1) ?? '' });
    expect(simulator.jobs).toHaveLength(1);
  });

  test('are those of the configuration when there are some', async () => {
    const { engine } = await engineOn({}, { models: ['dall-e-3', 'house-style'] });
    const { models } = await engine.capabilities(never());
    expect(models.map(({ name }) => name)).toEqual(['dall-e-3', 'house-style']);
  });

  test('need no list: an engine with one model is not asked by name', async () => {
    const { engine, simulator } = await engineOn({ flavour: 'vllm-omni', listless: true });
    await imageOf(engine, SQUARE);
    expect(simulator.bodies[0]).not.toHaveProperty('model');
  });

  test('are asked for below the path of a URL that has one', async () => {
    const { simulator } = await engineOn({ flavour: 'ovms' });
    const { engine } = await engineOn({}, { urls: [`${simulator.url}/v3`], dialect: 'auto' });
    await imageOf(engine, { width: 512, height: 512 });
    expect(simulator.jobs).toHaveLength(1);
  });

  test('of stable-diffusion.cpp, whose seed this protocol cannot set, are not offered', async () => {
    const { engine } = await engineOn({ models: ['sd-cpp-local'] }, { dialect: 'auto' });
    await expect(engine.capabilities(never())).rejects.toMatchObject({ failure: 'FAILED' });
  });

  test('that the engine no longer has are NOT_FOUND', async () => {
    const { engine } = await engineOn({}, { models: ['gone'] });
    await expect(imageOf(engine)).rejects.toMatchObject({ reason: 'MODEL_NOT_FOUND' });
  });
});

describe('a stream', () => {
  const WITH_PREVIEWS = { model: 'gpt-image-1', includePreviews: true };

  test('gives previews small enough to send, then the picture', async () => {
    const { engine, simulator } = await engineOn();
    const events = await eventsOf(engine, await jobOf(engine, WITH_PREVIEWS));
    expect(events.map(({ type }) => type)).toEqual(['progress', 'preview', 'preview', 'preview', 'image']);
    for (const event of events.filter(({ type }) => type === 'preview')) {
      if (event.type !== 'preview') continue;
      expect(event.data.length).toBeLessThan(64 * 1024);
      expect(await sharp(event.data).metadata()).toMatchObject({ format: 'jpeg', width: 256, height: 256 });
    }
    expect(events.at(-1)).toMatchObject({ used: { details: { quality: 'high', size: '1024x1024' } } });
    expect(simulator.bodies[0]).toMatchObject({ stream: true, partial_images: 3 });
  });

  test.each([
    ['no-image', 'BAD_RESPONSE'],
    ['exception', 'FAILED'],
    ['cut-base64', 'BAD_RESPONSE'],
  ] as const)('with the fault %s ends in %s', async (fault, failure) => {
    const { engine, simulator } = await engineOn();
    const job = await jobOf(engine, WITH_PREVIEWS);
    simulator.spoil(fault);
    await expect(eventsOf(engine, job)).rejects.toMatchObject({
      failure,
      message: expect.not.stringContaining(ENGINE_SECRET) as string,
    });
  });

  test('that nobody reads any more is hung up, and the work stops', async () => {
    const { engine, simulator } = await engineOn();
    const caller = new AbortController();
    simulator.hold();
    const events = engine.generate(await jobOf(engine, WITH_PREVIEWS), caller.signal);
    while ((await events.next()).value?.type !== 'preview');
    caller.abort(new Error('gone'));
    await expect(events.next().then(() => events.next())).rejects.toThrow('gone');
    await vi.waitFor(() => expect(simulator.jobs[0]?.state).toBe('interrupted'), { timeout: 5_000 });
    simulator.letGo();
  });
});

describe('a link instead of a picture', () => {
  const FREE = { ...SQUARE, model: 'studio-image' };

  test('to the engine itself is followed, with the key', async () => {
    const key = 'sk-link';
    const apiKey = { kind: 'value', value: key } as const;
    const { engine, simulator } = await engineOn({ links: '', key: () => key }, { apiKey });
    const { image } = await imageOf(engine, FREE);
    expect(image.kind === 'file' && image.bytes.length > 100).toBe(true);
    expect(simulator.requests(PICTURES_PATH)).toHaveLength(1);
  });

  test('to another origin is followed only where that is configured, and never with the key', async () => {
    const other = await engineOn();
    const { host } = new URL(other.simulator.url);
    const simulated = { links: `http://${host}` };
    const apiKey = { kind: 'value', value: 'sk-link' } as const;
    const { engine } = await engineOn(simulated, { apiKey });
    await expect(imageOf(engine, FREE)).rejects.toMatchObject({ failure: 'BAD_RESPONSE' });
    expect(other.simulator.requests(PICTURES_PATH)).toEqual([]);
    const { engine: allowed } = await engineOn(simulated, { apiKey, imageOrigins: [`http://${host}`] });
    // The other simulator has no picture: 404.
    await expect(imageOf(allowed, FREE)).rejects.toMatchObject({ failure: 'REJECTED' });
    const [asked] = other.simulator.requests(PICTURES_PATH);
    expect(asked?.query.get('sig')).toBe('1');
    expect(asked?.headers.authorization).toBeUndefined();
  });

  test('that holds the picture itself is read', async () => {
    const { engine } = await engineOn({ flavour: 'vllm-omni', links: 'data:' });
    const { image } = await imageOf(engine, SQUARE);
    if (image.kind !== 'file') throw new Error('no file');
    expect(image.bytes.length).toBeGreaterThan(64 * 1024);
    expect(await sharp(image.bytes).metadata()).toMatchObject({ format: 'png', ...SQUARE });
  });

  test('of an engine that never sends one is not followed at all', async () => {
    const { engine, simulator } = await engineOn({ flavour: 'vllm-omni', links: '' });
    await expect(imageOf(engine, SQUARE)).rejects.toMatchObject({ failure: 'BAD_RESPONSE' });
    expect(simulator.requests(PICTURES_PATH)).toEqual([]);
  });
});

describe('the key', () => {
  test('is read from its file for every request, and logged nowhere', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sekai-key-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const path = join(directory, 'key');
    let expected = 'sk-first';
    await writeFile(path, `${expected}\n`);
    const { engine, logText } = await engineOn({ key: () => expected }, { apiKey: { kind: 'file', path } });
    await imageOf(engine, { model: 'dall-e-2' });
    expected = 'sk-second';
    await writeFile(path, expected);
    await imageOf(engine, { model: 'dall-e-2' });
    expect(logText?.()).not.toMatch(/sk-(first|second)/);
  });

  test('that the engine does not know makes it unavailable, which the log explains', async () => {
    const { engine, logText } = await engineOn({ key: () => 'sk-right' });
    await expect(engine.capabilities(never())).rejects.toBeInstanceOf(Error);
    await vi.waitFor(() => expect(logText?.()).toContain('HTTP 401'), { timeout: 10_000 });
    expect(engine.health?.available).toBe(false);
  });
});

describe('refusals', () => {
  test('of the content filter are CONTENT_FILTERED; its words repeat the prompt and reach nobody', async () => {
    const { engine, logText } = await engineOn();
    const prompt = `${FORBIDDEN} in a garden of delights`;
    const error = await imageOf(engine, { prompt, model: 'dall-e-2' }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ failure: 'CONTENT_FILTERED' });
    expect((error as Error).message).not.toContain('safety system');
    expect(String((error as Error).cause)).not.toContain('garden');
    expect(logText?.()).not.toContain('garden');
  });

  test('of too many requests say when to come back', async () => {
    const { engine, simulator } = await engineOn();
    const job = await jobOf(engine, { model: 'dall-e-2' });
    simulator.spoil('too-many-requests');
    await expect(eventsOf(engine, job)).rejects.toMatchObject({
      failure: 'OVERLOADED',
      retryAfterMs: RETRY_AFTER_SECONDS * 1_000,
    });
  });

  test('of one of our values name our field', async () => {
    const { engine } = await engineOn();
    const job = await jobOf(engine, { model: 'dall-e-2' });
    await expect(eventsOf(engine, { ...job, width: 100 })).rejects.toMatchObject({
      violations: [{ field: 'width', reason: 'BACKEND_REJECTED' }],
    });
  });
});

test('a prompt that the engine has rewritten is in its account', async () => {
  const { engine } = await engineOn({ revises: (prompt) => `${prompt}, in oil` });
  const { used } = await imageOf(engine, { prompt: 'a sea', model: 'dall-e-3' });
  expect(used?.details).toMatchObject({ revised_prompt: 'a sea, in oil' });
});
