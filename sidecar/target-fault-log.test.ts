import { beforeEach, expect, it } from 'vitest';
import { createLogger } from '../services/runtime/logger.ts';
import { TargetFault } from './object-store.ts';
import { createTargetFaultLog, type TargetFaultLog } from './target-fault-log.ts';

let lines: string[];
let now: number;
let faults: TargetFaultLog;

beforeEach(() => {
  lines = [];
  now = 0;
  const log = createLogger('test', 'info', { write: (line: string) => void lines.push(line) });
  faults = createTargetFaultLog(log, () => now);
});

const wrongSecret = new TargetFault('credentials', 'the secret key is wrong', 'correct it');
const denied = new TargetFault('permission', 'AccessDenied', 'grant s3:PutObject');

it('says once what only an operator can cure, and again after five minutes', () => {
  for (let i = 0; i < 10; i += 1) faults.failed(wrongSecret, { key: `output-${i}.jpg` });
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    level: 'error',
    kind: 'credentials',
    cure: 'correct it',
    msg: 'Internal S3: Failed to upload output-0.jpg: the secret key is wrong',
  });
  now = 5 * 60_000;
  faults.failed(wrongSecret, { key: 'output-10.jpg' });
  expect(JSON.parse(lines[1] ?? '')).toMatchObject({ level: 'error', failuresSinceLastLine: 9 });
});

it('says another fault at once, and when uploads succeed again', () => {
  faults.failed(wrongSecret, { key: 'a' });
  faults.failed(denied, { key: 'b' });
  faults.succeeded();
  faults.succeeded();
  expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
    'Internal S3: Failed to upload a: the secret key is wrong',
    'Internal S3: Failed to upload b: AccessDenied',
    'Internal S3: uploads succeed again',
  ]);
});

it('says every attempt that may heal by itself, as a warning', () => {
  const away = new TargetFault('unavailable', 'S3 answered 503', 'wait');
  for (let i = 0; i < 3; i += 1) faults.failed(away, { key: 'a' });
  expect(lines).toHaveLength(3);
  expect(lines[2]).toContain('"level":"warn"');
});
