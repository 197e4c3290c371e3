import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { lora, never, smallJobOf } from '../../../../test/_support/engines/engine-calls.ts';
import { sdapiTrial } from '../../../../test/_support/engines/sdapi-trial.ts';
import {
  type SdapiSimulator,
  startSdapiSimulator,
} from '../../../../test/_support/engines/sdapi-simulator.ts';
import type { SdapiSimulatorOptions } from '../../../../test/_support/engines/sdapi-world.ts';
import type { EngineEvent, EngineJob, ImageEngine } from '../../image-engine.ts';

async function engineOn(
  options: SdapiSimulatorOptions = {},
): Promise<{ engine: ImageEngine; simulator: SdapiSimulator }> {
  const trial = await sdapiTrial(() => startSdapiSimulator(options));
  onTestFinished(() => trial.close());
  return trial;
}

async function imageOf(
  engine: ImageEngine,
  job: EngineJob,
  signal = never(),
): Promise<Extract<EngineEvent, { type: 'image' }>> {
  for await (const event of engine.generate(job, signal)) if (event.type === 'image') return event;
  throw new Error('no image');
}

describe('what is sent', () => {
  test('is the documented request, with LoRAs as tags and the model by its title', async () => {
    const { engine, simulator } = await engineOn();
    const loras = [lora('inkstyle', 0.8, 0.5), lora('watercolour', -0.25)];
    const job = await smallJobOf(engine, {
      prompt: 'a lighthouse',
      loras,
      seed: 123,
      sampler: 'Euler a Karras',
      model: 'sd_xl_base_1.0',
      width: 1024,
      height: 768,
      steps: 5,
    });
    await imageOf(engine, job);
    expect(simulator.bodies).toEqual([
      {
        prompt: 'a lighthouse <lora:inkstyle:te=0.5:unet=0.8> <lora:watercolour:-0.25>',
        negative_prompt: '',
        width: 1024,
        height: 768,
        seed: 123,
        subseed: -1,
        steps: 5,
        cfg_scale: 7,
        sampler_name: 'Euler a',
        scheduler: 'Karras',
        batch_size: 1,
        n_iter: 1,
        send_images: true,
        save_images: false,
        force_task_id: job.requestId,
        override_settings: { sd_model_checkpoint: 'sd_xl_base_1.0.safetensors [31e35c80fc]' },
        override_settings_restore_afterwards: true,
      },
    ]);
  });

  test('says who we are when the URL has a login', async () => {
    const simulator = await startSdapiSimulator({ login: 'us:s3cret@' });
    const url = simulator.url.replace('//', '//us:s3cret%40@');
    const trial = await sdapiTrial(
      async () => Object.create(simulator, { url: { value: url } }) as SdapiSimulator,
    );
    onTestFinished(async () => {
      await trial.engine.close?.();
      await simulator.close();
    });
    await imageOf(trial.engine, await smallJobOf(trial.engine));
    expect(trial.logText?.()).not.toContain('s3cret');
  });

  test('without the login the engine is not usable, and the log says why', async () => {
    const trial = await sdapiTrial(() => startSdapiSimulator({ login: 'us:them' }));
    onTestFinished(() => trial.close());
    await vi.waitFor(() => expect(trial.logText?.()).toContain('HTTP 401'), { timeout: 5_000 });
    expect(trial.engine.health?.available).toBe(false);
  });
});

describe('LoRAs', () => {
  test('that the engine says it has not applied fail the job', async () => {
    const { engine } = await engineOn({ dropsLoras: true });
    const job = await smallJobOf(engine, { loras: [lora('inkstyle', 1)] });
    await expect(imageOf(engine, job)).rejects.toMatchObject({ failure: 'FAILED' });
  });

  test('are warned of when the engine does not tell', async () => {
    const { engine } = await engineOn({ tellsLoras: false });
    const { warnings } = await imageOf(engine, await smallJobOf(engine, { loras: [lora('inkstyle', 1)] }));
    expect(warnings).toMatchObject([{ reason: 'LORAS_NOT_VERIFIED', field: 'loras' }]);
  });

  test('put beside the engine while it runs are found', async () => {
    const { engine, simulator } = await engineOn();
    await engine.capabilities(never());
    simulator.addLora('brand-new');
    await imageOf(engine, await smallJobOf(engine, { loras: [lora('brand-new', 1)] }));
    expect(simulator.jobs[0]?.loras).toEqual([{ name: 'brand-new', strength: 1, textEncoderStrength: 1 }]);
  });
});

describe('on an engine that others use too', () => {
  test('a cancelled job that still waits there is stopped only when its own turn comes', async () => {
    const { engine, simulator } = await engineOn();
    simulator.hold();
    const foreign = simulator.foreignJob(10);
    const caller = new AbortController();
    const job = await smallJobOf(engine);
    const run = imageOf(engine, job, caller.signal);
    await vi.waitFor(() => expect(simulator.jobs).toHaveLength(1), { timeout: 5_000 });
    caller.abort(new Error('no longer wanted'));
    await expect(run).rejects.toThrow('no longer wanted');
    expect(simulator.interrupts).toBe(0);
    simulator.letGo();
    await vi.waitFor(() => expect(simulator.jobs[0]?.state).toBe('interrupted'), { timeout: 5_000 });
    expect(foreign.state).toBe('done');
  });

  test('a cancel after the end of our job interrupts nobody', async () => {
    const { engine, simulator } = await engineOn();
    const caller = new AbortController();
    const events = engine.generate(await smallJobOf(engine), caller.signal);
    for await (const event of events) if (event.type === 'image') break;
    const foreign = simulator.foreignJob(5);
    caller.abort(new Error('too late'));
    await vi.waitFor(() => expect(foreign.state).toBe('done'), { timeout: 5_000 });
    expect(simulator.interrupts).toBe(0);
  });
});

test('the engine’s account of the picture comes with it', async () => {
  const { engine } = await engineOn();
  const { used, seed } = await imageOf(
    engine,
    await smallJobOf(engine, { seed: 5, loras: [lora('inkstyle', 1)] }),
  );
  expect(seed).toBe(5);
  expect(used).toMatchObject({ model: 'dreamshaper_8', sampler: 'Euler', steps: 20, guidanceScale: 7 });
  expect(used?.details).toMatchObject({
    version: 'v1.10.1',
    'Lora hashes': expect.stringMatching(/^inkstyle: \w+$/) as string,
  });
});

test('an engine with one route only, as the Draw Things app, makes pictures without LoRAs', async () => {
  const { engine } = await engineOn({ flavour: 'bare' });
  await imageOf(engine, await smallJobOf(engine));
  await expect(smallJobOf(engine, { loras: [lora('inkstyle', 1)] })).rejects.toMatchObject({
    reason: 'UNSUPPORTED_BY_BACKEND',
  });
});

test('two engines share the jobs, and one of them is enough', async () => {
  const second = await startSdapiSimulator();
  onTestFinished(() => second.close());
  const trial = await sdapiTrial(() => startSdapiSimulator(), {}, [second.url]);
  onTestFinished(() => trial.close());
  const { engine, simulator: first } = trial;
  expect(engine.capacity).toBe(2);
  const jobs = await Promise.all(Array.from({ length: 6 }, () => smallJobOf(engine)));
  await Promise.all(jobs.map((job) => imageOf(engine, job)));
  expect(first.jobs.length).toBe(3);
  expect(second.jobs.length).toBe(3);
  await first.kill();
  await Promise.all(jobs.map((job) => imageOf(engine, { ...job, requestId: crypto.randomUUID() })));
  expect(second.jobs.length).toBe(9);
  await first.restart();
});

test('a job goes to the engine that has its LoRA; what no single engine has is refused', async () => {
  const second = await startSdapiSimulator({ loras: ['only-there'] });
  onTestFinished(() => second.close());
  const trial = await sdapiTrial(() => startSdapiSimulator({ loras: ['only-here'] }), {}, [second.url]);
  onTestFinished(() => trial.close());
  const { engine, simulator: first } = trial;
  for (let round = 0; round < 3; round += 1) {
    await imageOf(engine, await smallJobOf(engine, { loras: [lora('only-there', 1)] }));
  }
  expect([first.jobs.length, second.jobs.length]).toEqual([0, 3]);
  const both = await smallJobOf(engine, { loras: [lora('only-there', 1), lora('only-here', 1)] });
  await expect(imageOf(engine, both)).rejects.toMatchObject({ reason: 'UNSUPPORTED_BY_BACKEND' });
});
