/** Programs that are known by their answers alone: KoboldCpp 1.76 and sd-server as seen running, reference § 3.4. */
import { expect, test } from 'vitest';
import type { EngineJob } from '../../image-engine.ts';
import { webuiDialect, type WebuiLists } from './webui-dialect.ts';
import { loraTag, txt2imgRequest } from './webui-request.ts';

const NONE: WebuiLists = {
  isKoboldCpp: false,
  models: undefined,
  options: undefined,
  samplers: undefined,
  schedulers: undefined,
  loras: undefined,
};
const job: EngineJob = {
  requestId: 'b5a7e1c2-0000-4000-8000-000000000001',
  prompt: 'a sea',
  negativePrompt: '',
  model: 'default',
  width: 64,
  height: 64,
  seed: 7,
  steps: 4,
  guidanceScale: 7,
  sampler: '',
  loras: [{ name: 'inkstyle', strength: 0.8, textEncoderStrength: 0.8 }],
  includePreviews: false,
};

test('KoboldCpp rounds sizes to 64, has no LoRA per request and one model', () => {
  const dialect = webuiDialect({
    ...NONE,
    isKoboldCpp: true,
    models: [{ title: 'tiny', model_name: 'tiny', hash: '8888888888' }],
    samplers: [{ name: 'Euler a', aliases: [], options: {} }],
  });
  expect(dialect).toMatchObject({ loras: 'none', modelTitles: new Map() });
  expect(dialect.capabilities).toMatchObject({
    maxDimension: 1024,
    maxSteps: 80,
    maxLoras: 0,
    maxSeed: 2 ** 31 - 1,
  });
  expect(dialect.capabilities.models).toMatchObject([{ name: 'tiny', dimensionMultiple: 64 }]);
});

test('an sd-server without its own job protocol takes LoRAs in a field, and nothing it does not know', () => {
  const dialect = webuiDialect({
    ...NONE,
    loras: [{ name: 'inkstyle', path: 'styles/inkstyle.safetensors' }],
  });
  expect(dialect.capabilities.supportsTextEncoderStrength).toBe(false);
  expect(txt2imgRequest(job, dialect)).toEqual({
    prompt: 'a sea',
    negative_prompt: '',
    width: 64,
    height: 64,
    seed: 7,
    steps: 4,
    cfg_scale: 7,
    batch_size: 1,
    lora: [{ path: 'styles/inkstyle.safetensors', multiplier: 0.8 }],
  });
});

test('a LoRA that is not listed is never sent', () => {
  const loras = [{ name: 'other', alias: 'other', path: '/loras/other.safetensors', metadata: {} }];
  expect(() => txt2imgRequest(job, webuiDialect({ ...NONE, loras }))).toThrow('refused the job');
});

test('LoRAs whose names could end a tag are not offered', () => {
  const bad = ['a:b', 'a>b', 'a,b', 'sub/a', '..'].map((name) => ({ name, alias: name, path: 'x' }));
  expect(webuiDialect({ ...NONE, loras: bad }).capabilities).toMatchObject({ loras: [], maxLoras: 0 });
});

test.each([
  [1, 1, '<lora:a:1>'],
  [0.30000000000000004, 0.30000000000000004, '<lora:a:0.3>'],
  [1e-7, 1e-7, '<lora:a:0>'],
  [-0.5, 2, '<lora:a:te=2:unet=-0.5>'],
])('strengths are written without an exponent: %d and %d', (strength, textEncoderStrength, tag) => {
  expect(loraTag({ name: 'a', strength, textEncoderStrength })).toBe(tag);
});

test('the loaded model is the default, and a large family gets its size', () => {
  const model = (name: string) => ({ title: `${name} [1]`, model_name: name });
  const lists = {
    ...NONE,
    models: [model('dreamshaper'), model('juggernautXL')],
    options: { sd_model_checkpoint: 'juggernautXL [1]' },
  };
  expect(webuiDialect(lists).capabilities.models).toMatchObject([
    { name: 'juggernautXL', defaultWidth: 1024 },
    { name: 'dreamshaper', defaultWidth: 512 },
  ]);
});
