import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { comfyuiTrial, type ComfyuiTrialOptions } from '../../../../test/_support/engines/comfyui-trial.ts';
import { eventsOf, lora, never, smallJobOf } from '../../../../test/_support/engines/engine-calls.ts';
import type { EngineEvent } from '../../image-engine.ts';

const WAIT = { timeout: 10_000, interval: 10 };

async function engineOn(options: ComfyuiTrialOptions = {}) {
  const trial = await comfyuiTrial(options);
  onTestFinished(() => trial.close());
  return trial;
}

const ofType = <T extends EngineEvent['type']>(events: readonly EngineEvent[], type: T) =>
  events.filter((event): event is Extract<EngineEvent, { type: T }> => event.type === type);

describe('what is sent', () => {
  test('is the workflow with everything in its place, under an id of its own', async () => {
    const { engine, simulator } = await engineOn();
    const loras = [lora('inkstyle', 0.8, 0.5), lora('watercolour', -0.25)];
    const job = await smallJobOf(engine, {
      prompt: 'a lighthouse',
      loras,
      seed: 4_294_967_295,
      steps: 5,
      sampler: 'euler_ancestral karras',
      model: 'sd_xl_base_1.0',
    });
    await eventsOf(engine, job);
    const [body] = simulator.bodies;
    expect(body).toMatchObject({
      prompt_id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      extra_data: { preview_method: 'none' },
      prompt: {
        '1': { inputs: { ckpt_name: 'sdxl/sd_xl_base_1.0.safetensors' } },
        '2:1': { inputs: { lora_name: 'inkstyle.safetensors', strength_model: 0.8, strength_clip: 0.5 } },
        '2:2': {
          inputs: {
            lora_name: 'styles/watercolour.safetensors',
            strength_model: -0.25,
            strength_clip: -0.25,
          },
        },
        '6': {
          inputs: {
            seed: 4_294_967_295,
            sampler_name: 'euler_ancestral',
            scheduler: 'karras',
            model: ['2:2', 0],
          },
        },
      },
    });
    // The engine remembers ids: the same request, tried again, must not be answered with the first attempt.
    await eventsOf(engine, job);
    expect(simulator.bodies[1]?.['prompt_id']).not.toBe(body?.['prompt_id']);
    expect(simulator.jobs).toHaveLength(2);
  });

  test('says who we are, on the WebSocket too', async () => {
    const { engine } = await engineOn({ token: 'sk-s3cret' });
    const events = await eventsOf(engine, await smallJobOf(engine));
    expect(ofType(events, 'progress').some(({ step }) => step !== undefined)).toBe(true);
  });
});

describe('capabilities', () => {
  test('are what the engine has for the workflow', async () => {
    const { engine } = await engineOn();
    const { models, loras, samplers, ...rest } = await engine.capabilities(never());
    expect(models.map(({ name, defaultWidth }) => [name, defaultWidth])).toEqual([
      ['dreamshaper_8', 512],
      ['sd_xl_base_1.0', 1024],
    ]);
    expect(loras.map(({ name }) => name)).toEqual(['inkstyle', 'watercolour']);
    expect(samplers.slice(0, 3)).toEqual(['euler', 'dpmpp_2m', 'euler_ancestral']);
    expect(samplers).toContain('dpmpp_2m karras');
    expect(rest).toMatchObject({ supportsTextEncoderStrength: true, minDimension: 64, maxDimension: 2048 });
  });

  test('of Flux have one strength for a LoRA, no negative prompt, and the models of its family', async () => {
    const { engine } = await engineOn({ workflow: 'flux' });
    const { models, ...rest } = await engine.capabilities(never());
    expect(rest).toMatchObject({ supportsTextEncoderStrength: false, takesNegativePrompt: false });
    expect(models).toMatchObject([
      { name: 'flux1-dev', dimensionMultiple: 16, defaultGuidanceScale: 3.5, supportsNegativePrompt: false },
    ]);
  });

  test('cannot be told of an engine that lacks a class of nodes or a file of the workflow', async () => {
    const lacksClass = await engineOn({ lacks: ['LoraLoader'] });
    await expect(lacksClass.engine.capabilities(never())).rejects.toMatchObject({
      failure: 'FAILED',
      cause: { message: expect.stringContaining('node class LoraLoader') as string },
    });
    const lacksModel = await engineOn({ checkpoints: [] });
    await expect(lacksModel.engine.capabilities(never())).rejects.toMatchObject({ failure: 'FAILED' });
  });

  test('have a LoRA that was put beside the engine while it runs', async () => {
    const { engine, simulator } = await engineOn();
    await engine.capabilities(never());
    simulator.addLora('brand-new.safetensors');
    await eventsOf(engine, await smallJobOf(engine, { loras: [lora('brand-new', 1)] }));
    expect(simulator.jobs[0]?.loras).toEqual([{ name: 'brand-new', strength: 1, textEncoderStrength: 1 }]);
  });
});

describe('what the engine refuses before it runs', () => {
  test('is NOT_FOUND for a LoRA that was taken away meanwhile', async () => {
    const { engine, simulator } = await engineOn();
    const job = await smallJobOf(engine, { loras: [lora('inkstyle', 1), lora('watercolour', 1)] });
    simulator.removeLora('styles/watercolour.safetensors');
    await expect(eventsOf(engine, job)).rejects.toMatchObject({
      reason: 'LORA_NOT_FOUND',
      resourceName: 'watercolour',
    });
  });

  test('names every field of ours, and nothing of the engine’s', async () => {
    const { engine } = await engineOn();
    const job = { ...(await smallJobOf(engine, { loras: [lora('inkstyle', 1)] })), steps: 20_000, width: 8 };
    const loras = [{ name: 'inkstyle', strength: 200, textEncoderStrength: 1 }];
    await expect(eventsOf(engine, { ...job, loras })).rejects.toMatchObject({
      violations: [
        { field: 'width', reason: 'BACKEND_REJECTED', description: 'is less than the image engine takes' },
        { field: 'steps', description: 'is more than the image engine takes' },
        { field: 'loras[0].strength' },
      ],
    });
  });
});

describe('the WebSocket', () => {
  test('brings the previews of our own job, and nobody else’s', async () => {
    const { engine, simulator } = await engineOn();
    simulator.hold();
    const foreign = simulator.foreignJob(12);
    const job = await smallJobOf(engine, { includePreviews: true, steps: 8 });
    const run = eventsOf(engine, job);
    await vi.waitFor(() => expect(simulator.webSockets).toBe(1), WAIT);
    await vi.waitFor(() => expect(simulator.jobs).toHaveLength(1), WAIT);
    simulator.letGo();
    const events = await run;
    expect(foreign.state).toBe('done');
    const previews = ofType(events, 'preview');
    expect(previews.length).toBeGreaterThan(0);
    expect(previews.some(({ data }) => Buffer.from(data).includes('of somebody else'))).toBe(false);
    expect(Math.max(...ofType(events, 'progress').map(({ totalSteps = 0 }) => totalSteps))).toBe(8);
  });

  test('that is cut in the middle of a job costs progress and nothing else', async () => {
    const { engine, simulator } = await engineOn();
    simulator.hold();
    const run = eventsOf(engine, await smallJobOf(engine));
    await vi.waitFor(() => expect(simulator.jobs[0]?.state).toBe('running'), WAIT);
    simulator.cutWebSockets();
    await vi.waitFor(() => expect(simulator.webSockets).toBe(0), WAIT);
    simulator.letGo();
    expect((await run).at(-1)?.type).toBe('image');
  });

  test('whose upgrade is never answered holds nothing up', async () => {
    const { engine, simulator } = await engineOn({ socket: 'stalled' });
    expect((await eventsOf(engine, await smallJobOf(engine))).at(-1)?.type).toBe('image');
    await engine.close?.();
    await vi.waitFor(() => expect(simulator.sockets).toBe(0), WAIT);
  });

  test('with a message beyond all measure is given up, and the picture comes', async () => {
    const { engine } = await engineOn({ previewBytes: 5 * 1024 * 1024 });
    const events = await eventsOf(engine, await smallJobOf(engine, { includePreviews: true, steps: 4 }));
    expect(ofType(events, 'preview')).toEqual([]);
    expect(events.at(-1)?.type).toBe('image');
  });
});

describe.each(['current', 'targeted', 'old'] as const)('on an engine (%s) that others use too', (flavour) => {
  test('a cancelled job that waits there is taken off the queue, and the other’s goes on', async () => {
    const { engine, simulator } = await engineOn({ flavour });
    simulator.hold();
    const foreign = simulator.foreignJob(6);
    const caller = new AbortController();
    const run = eventsOf(engine, await smallJobOf(engine), caller.signal);
    run.catch(() => {});
    await vi.waitFor(() => expect(simulator.jobs[0]?.state).toBe('queued'), WAIT);
    caller.abort(new Error('no longer wanted'));
    await expect(run).rejects.toThrow('no longer wanted');
    await vi.waitFor(() => expect(simulator.jobs[0]?.state).toBe('interrupted'), WAIT);
    simulator.letGo();
    await vi.waitFor(() => expect(foreign.state).toBe('done'), WAIT);
    expect(simulator.interrupts).toBe(0);
  });

  test('a cancel after the end of our job interrupts nobody', async () => {
    const { engine, simulator } = await engineOn({ flavour });
    const caller = new AbortController();
    for await (const event of engine.generate(await smallJobOf(engine), caller.signal)) {
      if (event.type === 'image') break;
    }
    const foreign = simulator.foreignJob(5);
    caller.abort(new Error('too late'));
    await vi.waitFor(() => expect(foreign.state).toBe('done'), WAIT);
    expect(simulator.interrupts).toBe(0);
  });
});

test('a job that has used up its time is stopped at the engine', async () => {
  const { engine, simulator } = await engineOn({ timeoutMs: 1_500 });
  simulator.hold();
  await expect(eventsOf(engine, await smallJobOf(engine))).rejects.toMatchObject({ failure: 'TIMEOUT' });
  await vi.waitFor(() => expect(simulator.jobs[0]?.state).toBe('interrupted'), WAIT);
});

test('without a WebSocket the engine is asked now and then, not all the time', async () => {
  const { engine, simulator } = await engineOn({ socket: 'refused', pollMs: 60_000 });
  simulator.hold();
  const caller = new AbortController();
  const run = eventsOf(engine, await smallJobOf(engine), caller.signal);
  run.catch(() => {});
  await vi.waitFor(() => expect(simulator.jobs[0]?.state).toBe('running'), WAIT);
  await vi.waitFor(() => expect(simulator.questions).toBe(1), WAIT);
  simulator.letGo();
  await vi.waitFor(() => expect(simulator.jobs[0]?.state).toBe('done'), WAIT);
  expect(simulator.questions).toBe(1);
  caller.abort(new Error('no longer wanted'));
  await expect(run).rejects.toThrow('no longer wanted');
});

test('a job that somebody interrupts in ComfyUI’s own pages fails, and says so', async () => {
  const { engine, simulator } = await engineOn();
  simulator.hold();
  const run = eventsOf(engine, await smallJobOf(engine));
  run.catch(() => {});
  await vi.waitFor(() => expect(simulator.jobs[0]?.state).toBe('running'), WAIT);
  simulator.interruptByHand();
  simulator.letGo();
  await expect(run).rejects.toMatchObject({
    failure: 'FAILED',
    message: 'the job was interrupted at the image engine',
  });
});

test('an engine that has restarted and forgotten the job is UNAVAILABLE', async () => {
  const { engine, simulator } = await engineOn({ socket: 'refused', pollMs: 500 });
  simulator.hold();
  const run = eventsOf(engine, await smallJobOf(engine));
  run.catch(() => {});
  await vi.waitFor(() => expect(simulator.jobs[0]?.state).toBe('running'), WAIT);
  await simulator.kill();
  await simulator.restart();
  await expect(run).rejects.toMatchObject({ failure: 'UNAVAILABLE' });
  expect((await eventsOf(engine, await smallJobOf(engine))).at(-1)?.type).toBe('image');
});

test('the engine’s account of the picture comes with it', async () => {
  const { engine } = await engineOn();
  const [image] = ofType(await eventsOf(engine, await smallJobOf(engine, { seed: 5 })), 'image');
  expect(image?.seed).toBe(5);
  expect(image?.used).toEqual({
    model: 'dreamshaper_8.safetensors',
    sampler: 'euler',
    steps: 20,
    guidanceScale: 7,
    details: {
      workflow: 'stable-diffusion',
      version: '0.3.60',
      job_id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      scheduler: 'normal',
    },
  });
});
