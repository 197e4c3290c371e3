import { expect, it } from 'vitest';
import { createLogger, promptFacts } from './logger.ts';

function lines(): { written: string[]; destination: { write(line: string): void } } {
  const written: string[] = [];
  return { written, destination: { write: (line) => void written.push(line) } };
}

it('writes one JSON object per line with process, level, time and message', () => {
  const { written, destination } = lines();
  createLogger('archiver', 'info', destination).warn({ imageHash: 'ab' }, 'Internal S3: Failed to upload x');
  expect(JSON.parse(written[0] ?? '')).toMatchObject({
    service: 'archiver',
    level: 'warn',
    imageHash: 'ab',
    msg: 'Internal S3: Failed to upload x',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
  });
});

it('hides prompts, form fields and secrets that slip into a line, one level down too', () => {
  const { written, destination } = lines();
  const secrets = {
    prompt: 'hunter2',
    signature: 'hunter2',
    secretAccessKey: 'hunter2',
    sessionToken: 'hunter2',
  };
  createLogger('service', 'info', destination).info({ ...secrets, request: secrets }, 'slip');
  expect(written[0]).not.toContain('hunter2');
});

it('keeps the causes of an error', () => {
  const { written, destination } = lines();
  const err = new Error('outer', { cause: new Error('inner') });
  createLogger('service', 'info', destination).error({ err }, 'failed');
  expect(written[0]).toContain('inner');
});

it('says of a prompt how long it is and what hash it has, and nothing else', () => {
  expect(promptFacts('ä sea')).toEqual({
    promptBytes: 6,
    promptHash: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
  });
});
