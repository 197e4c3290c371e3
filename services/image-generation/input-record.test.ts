import { expect, test } from 'vitest';
import { createNoiseEngine } from '../../test/_support/noise-engine.ts';
import { wireRequest } from '../../test/_support/wire-request.ts';
import { checkImageRequest } from './image-request.ts';
import { type GenerationFacts, serialiseInputRecord } from './input-record.ts';

const engine = await createNoiseEngine().capabilities(new AbortController().signal);
const request = checkImageRequest(wireRequest({ seed: 9, steps: 3 }), engine);
const image = { hash: 'ab', sizeBytes: 1, mediaType: 'image/jpeg', width: 256, height: 256 };
const facts: GenerationFacts = {
  engine: 'sdapi',
  seed: 9,
  generatedAt: new Date(0),
  queueMs: 1,
  generationMs: 2,
  warnings: [],
};
const recordOf = (more: Partial<GenerationFacts> = {}): unknown =>
  JSON.parse(new TextDecoder().decode(serialiseInputRecord(request, { ...facts, ...more }, image)));

test('the record says engine, model and parameters as used', () => {
  expect(recordOf()).toMatchObject({
    engine: { name: 'sdapi', model: 'noise' },
    parameters: { seed: 9, steps: 3, sampler: 'euler' },
  });
  expect(recordOf()).not.toHaveProperty('engine.reported');
});

test('the engine’s own account stands beside it, as far as it goes', () => {
  const used = { model: 'noise-v2', steps: 4, details: { version: 'v1.10.1' } };
  expect(recordOf({ used })).toHaveProperty('engine.reported', used);
});
