import { describe, expect, test } from 'vitest';
import { type Fields, jobOf, never } from '../../../../test/_support/engines/engine-calls.ts';
import { engineOn, imageOf } from '../../../../test/_support/engines/openai-calls.ts';
import type { OpenaiFlavour } from '../../../../test/_support/engines/openai-flavours.ts';

const SQUARE = { width: 1_024, height: 1_024 };

describe('what is sent', () => {
  const ASKED = {
    prompt: 'a lighthouse',
    width: 768,
    height: 512,
    seed: 7,
    steps: 9,
    guidanceScale: 4,
    negativePrompt: 'fog',
  };

  test.each([
    [
      'vllm-omni',
      ASKED,
      {
        model: 'Qwen/Qwen-Image',
        prompt: 'a lighthouse',
        negative_prompt: 'fog',
        size: '768x512',
        response_format: 'b64_json',
        output_format: 'png',
        seed: 7,
        num_inference_steps: 9,
        true_cfg_scale: 4,
      },
    ],
    [
      'sglang',
      ASKED,
      {
        model: 'black-forest-labs/FLUX.1-dev',
        prompt: 'a lighthouse',
        negative_prompt: 'fog',
        size: '768x512',
        response_format: 'b64_json',
        output_format: 'png',
        seed: 7,
        num_inference_steps: 9,
        guidance_scale: 4,
      },
    ],
    [
      'localai',
      { ...ASKED, guidanceScale: undefined },
      {
        model: 'stablediffusion',
        prompt: 'a lighthouse|fog',
        size: '768x512',
        response_format: 'b64_json',
        seed: 7,
        step: 9,
      },
    ],
    [
      'ovms',
      ASKED,
      {
        model: 'OpenVINO/stable-diffusion-v1-5',
        prompt: 'a lighthouse',
        negative_prompt: 'fog',
        size: '768x512',
        response_format: 'b64_json',
        rng_seed: 7,
        num_inference_steps: 9,
        guidance_scale: 4 * (1 + Number.EPSILON),
      },
    ],
    [
      'lemonade',
      { ...ASKED, negativePrompt: '', steps: undefined },
      {
        model: 'SD-Turbo',
        prompt: 'a lighthouse',
        size: '768x512',
        response_format: 'b64_json',
        seed: 7,
        steps: 4, // As Lemonade says of this model.
        cfg_scale: 4,
      },
    ],
    [
      'openai',
      { prompt: 'a lighthouse', model: 'dall-e-3', ...SQUARE },
      { model: 'dall-e-3', prompt: 'a lighthouse', size: '1024x1024', response_format: 'b64_json' },
    ],
    [
      'openai',
      { prompt: 'a lighthouse', model: 'gpt-image-1' },
      { model: 'gpt-image-1', prompt: 'a lighthouse', size: '1024x1024', output_format: 'png' },
    ],
  ] as const)('to %s is what it knows, and nothing else', async (flavour, asked, body) => {
    const { engine, simulator } = await engineOn({ flavour });
    await imageOf(engine, asked);
    expect(simulator.bodies).toEqual([body]);
  });

  test('as a LoRA is the path of the configuration, which callers never see', async () => {
    const loras = new Map([['inkstyle', '/srv/loras/ink']]);
    const { engine, simulator } = await engineOn({ flavour: 'vllm-omni' }, { loras });
    const lora = { name: 'inkstyle', strength: 0.5, textEncoderStrength: undefined };
    await imageOf(engine, { loras: [lora], ...SQUARE });
    expect(simulator.bodies[0]?.['lora']).toEqual({ name: 'inkstyle', path: '/srv/loras/ink', scale: 0.5 });
    expect(JSON.stringify(await engine.capabilities(never()))).not.toContain('/srv');
    await expect(jobOf(engine, { loras: [{ ...lora, name: 'other' }] })).rejects.toMatchObject({
      reason: 'LORA_NOT_FOUND',
    });
  });
});

describe('what a dialect cannot honour is refused', () => {
  const lora = { name: 'inkstyle', strength: 1, textEncoderStrength: undefined };

  const refused: [OpenaiFlavour, Fields, string][] = [
    ['openai', { seed: 1 }, 'seed'],
    ['openai', { steps: 5 }, 'steps'],
    ['openai', { guidanceScale: 3 }, 'guidance_scale'],
    ['openai', { negativePrompt: 'fog' }, 'negative_prompt'],
    ['openai', { loras: [lora] }, 'loras'],
    ['openai', { model: 'dall-e-3', width: 1_024, height: 768 }, 'width'],
    ['openai', { model: 'gpt-image-1', width: 1_792, height: 1_024 }, 'width'],
    ['openai', { model: 'gpt-image-2', width: 512, height: 512 }, 'width'],
    ['openai', { model: 'gpt-image-2', width: 3_840, height: 1_024 }, 'width'],
    ['sglang', { loras: [lora] }, 'loras'],
    ['vllm-omni', { guidanceScale: 0 }, 'guidance_scale'],
    ['localai', { seed: 2 ** 31 }, 'seed'],
    ['localai', { guidanceScale: 3 }, 'guidance_scale'],
    ['lemonade', { negativePrompt: 'fog' }, 'negative_prompt'],
  ];

  test.each(refused)('%s: %j', async (flavour, fields, field) => {
    const { engine, simulator } = await engineOn({ flavour });
    await expect(jobOf(engine, fields)).rejects.toMatchObject({
      reason: 'UNSUPPORTED_BY_BACKEND',
      message: expect.stringMatching(`^${field}: `) as string,
    });
    expect(simulator.bodies).toEqual([]);
  });

  test('a seed of zero, which LocalAI takes for a wish for any', async () => {
    const { engine, simulator } = await engineOn({ flavour: 'localai' });
    await expect(imageOf(engine, { seed: 0 })).rejects.toMatchObject({ reason: 'UNSUPPORTED_BY_BACKEND' });
    expect(simulator.bodies).toEqual([]);
  });

  test('a "|", which LocalAI takes for the beginning of the negative prompt', async () => {
    const { engine, simulator } = await engineOn({ flavour: 'localai' });
    await expect(imageOf(engine, { prompt: 'a sea|ships', negativePrompt: 'a|b' })).rejects.toMatchObject({
      violations: [
        { field: 'prompt', reason: 'PROMPT_CONTROL_TAG' },
        { field: 'negative_prompt', reason: 'PROMPT_CONTROL_TAG' },
      ],
    });
    expect(simulator.bodies).toEqual([]);
  });

  test('a seed that is only drawn is a warning, not a refusal', async () => {
    const { engine } = await engineOn();
    const { warnings } = await imageOf(engine, { model: 'dall-e-2' });
    expect(warnings).toMatchObject([{ reason: 'SEED_NOT_USED', field: 'seed' }]);
  });
});
