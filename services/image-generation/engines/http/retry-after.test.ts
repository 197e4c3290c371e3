import { expect, test } from 'vitest';
import { retryAfter } from './retry-after.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');

test.each([
  [{}, undefined],
  [{ 'retry-after': '3' }, 3_000],
  [{ 'retry-after': '0.5' }, 500],
  [{ 'retry-after': '20', 'retry-after-ms': '750' }, 750],
  [{ 'retry-after': 'Sun, 22 Nov 2026 12:00:05 GMT' }, 5_000],
  [{ 'retry-after': 'Sun, 22 Nov 2026 11:00:00 GMT' }, 0],
  [{ 'retry-after': '99999999' }, 600_000],
  [{ 'retry-after': 'soon' }, undefined],
  [{ 'retry-after': ['1', '2'] }, undefined],
])('headers %j say to come back after %s ms', (headers, ms) => {
  expect(retryAfter(headers, NOW)).toBe(ms);
});
