import { expect, test } from 'vitest';
import { createLogger } from '../../../runtime/logger.ts';
import type { EngineJob } from '../../image-engine.ts';
import { openaiFailure } from './openai-failure.ts';

const JOB: EngineJob = {
  requestId: 'b4a7f1f0-0000-4000-8000-000000000000',
  prompt: 'a prompt of some length',
  negativePrompt: '',
  model: 'm',
  width: 64,
  height: 64,
  seed: 1,
  steps: 1,
  guidanceScale: 1,
  sampler: '',
  loras: [],
  includePreviews: false,
};
const lines: string[] = [];
const logger = createLogger('image-generation', 'debug', { write: (line) => void lines.push(line) });

const failureOf = (status: number, body: unknown): Error =>
  openaiFailure(
    {
      status,
      path: '/v1/images/generations',
      contentType: 'application/json',
      body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    },
    JOB,
    logger,
  );
const error = (code: string | null, param: string | null = null, message = 'words') => ({
  error: { message, type: 'invalid_request_error', param, code },
});

test.each([
  [400, error('content_policy_violation'), 'CONTENT_FILTERED'],
  [400, error('moderation_blocked'), 'CONTENT_FILTERED'],
  [400, { error: { code: 'x', innererror: { code: 'ResponsibleAIPolicyViolation' } } }, 'CONTENT_FILTERED'],
  [403, error(null, null, 'This may violate our content policy'), 'CONTENT_FILTERED'],
  [500, error(null, null, 'the content filter has crashed'), 'FAILED'],
  [429, error('rate_limit_exceeded'), 'OVERLOADED'],
  [429, error('insufficient_quota'), 'FAILED'],
  [401, error('invalid_api_key'), 'FAILED'],
  [400, error(null), 'REJECTED'],
  [500, 'rpc error: code = Unknown desc = out of memory', 'OUT_OF_MEMORY'],
  [500, { detail: 'CUDA out of memory' }, 'OUT_OF_MEMORY'],
  [503, { error: 'Mediapipe execution failed' }, 'UNAVAILABLE'],
])('HTTP %i with %j is %s', (status, body, failure) => {
  expect(failureOf(status, body)).toMatchObject({ failure });
});

test.each([
  [error(null, 'size'), 'width'],
  [{ detail: [{ loc: ['body', 'num_inference_steps'], msg: 'too many', type: 'x' }] }, 'steps'],
  [{ detail: [{ loc: ['body', 'true_cfg_scale'], msg: 'too much', type: 'x' }] }, 'guidance_scale'],
  [error(null, 'prompt', `too long: ${JOB.prompt}`), 'prompt'],
])('%j names our field %s', (body, field) => {
  expect(failureOf(400, body)).toMatchObject({ violations: [{ field, reason: 'BACKEND_REJECTED' }] });
  expect(lines.join('')).not.toContain(JOB.prompt);
});

test('a model that is not there is NOT_FOUND', () => {
  expect(failureOf(404, error('model_not_found'))).toMatchObject({ reason: 'MODEL_NOT_FOUND' });
});
