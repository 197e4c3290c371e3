import { expect, test } from 'vitest';
import { readH2loadLatenciesMs, readH2loadOutput } from './h2load-output.ts';

const OUTPUT = `finished in 822.51ms, 12.16 req/s, 92.80MB/s
requests: 10 total, 10 started, 10 done, 10 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 10 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 76.32MB (80031234) total, 1.02KB (1044) headers (space savings 60.11%), 76.30MB (80008850) data
`;

test('reads time, calls and bytes', () => {
  expect(readH2loadOutput(OUTPUT)).toEqual({ seconds: 0.82251, succeeded: 10, dataBytes: 80_008_850 });
});

test.each([
  ['1.50s', 1.5],
  ['250us', 0.00025],
  ['2.00m', 120],
])('reads %s', (text, seconds) => {
  expect(readH2loadOutput(OUTPUT.replace('822.51ms', text))?.seconds).toBeCloseTo(seconds, 9);
});

test('knows what is no report', () => {
  expect(readH2loadOutput('h2load: command failed')).toBeUndefined();
});

test('reads what each call took', () => {
  expect(readH2loadLatenciesMs('1700000000\t200\t1500\n1700000001\t200\t250\n')).toEqual([1.5, 0.25]);
});
