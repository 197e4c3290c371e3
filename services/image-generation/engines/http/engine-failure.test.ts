import { expect, test } from 'vitest';
import { networkFailure } from './engine-failure.ts';

const thrown = (code: string): Error =>
  new TypeError('fetch failed', { cause: Object.assign(new Error(code), { code }) });

test.each([
  ['ECONNREFUSED', 'UNAVAILABLE'],
  ['UND_ERR_CLOSED', 'UNAVAILABLE'],
  ['CERT_HAS_EXPIRED', 'UNAVAILABLE'],
  ['CRL_HAS_EXPIRED', 'UNAVAILABLE'],
  ['HOSTNAME_MISMATCH', 'UNAVAILABLE'],
  ['INVALID_CA', 'UNAVAILABLE'],
  ['INVALID_PURPOSE', 'UNAVAILABLE'],
  ['UND_ERR_HEADERS_TIMEOUT', 'TIMEOUT'],
  ['HPE_INVALID_CONSTANT', 'BAD_RESPONSE'],
  ['ENOMEM', 'FAILED'],
])('%s on the way to an engine is %s', (code, failure) => {
  expect(networkFailure(thrown(code)).failure).toBe(failure);
});
