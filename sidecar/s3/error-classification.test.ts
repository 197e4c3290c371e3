import { expect, it } from 'vitest';
import { classifyAnswer, classifyNetworkError, type FaultClass } from './error-classification.ts';
import { createRetryBudget } from './retry-budget.ts';
import { DEFAULT_PAUSES, retryDelayMs } from './retry-delay.ts';
import { errorFacts } from './s3-answer.ts';
import { createServerClock } from './server-clock.ts';

const facts = (status: number, code = '', inside = '', headers: Record<string, string> = {}) =>
  errorFacts({ status, headers, text: code && `<Error><Code>${code}</Code>${inside}</Error>` });

it.each<[number, string, FaultClass]>([
  [503, 'SlowDown', 'throttle'],
  [503, '', 'throttle'],
  [503, 'XMinioServerNotInitialized', 'transient'],
  [400, 'ThrottlingException', 'throttle'],
  [400, 'RequestLimitExceeded', 'throttle'],
  [509, '', 'throttle'],
  [504, '', 'transient'],
  [408, '', 'transient'],
  [520, '', 'transient'],
  [400, 'RequestTimeout', 'transient'],
  [400, 'BadDigest', 'retry-once'],
  [400, 'ExpiredToken', 'refresh-credentials'],
  [403, 'RequestTimeTooSkewed', 'clock'],
  [307, 'TemporaryRedirect', 'redirect'],
  [302, '', 'redirect'],
  [403, 'AccessDenied', 'fatal'],
  [404, 'NoSuchBucket', 'fatal'],
  [411, 'MissingContentLength', 'fatal'],
  [501, 'NotImplemented', 'fatal'],
])('classifies %i %s as %s', (status, code, faultClass) => {
  expect(classifyAnswer(facts(status, code), 'us-east-1')).toBe(faultClass);
});

it.each([
  ['AWS', 403, 'AccessDenied', 'Invalid according to Policy: Policy expired.'],
  ['Ceph', 403, 'AccessDenied', 'Policy expired'],
  ['Garage', 400, 'InvalidRequest', 'Expiration date is in the past'],
])('knows an expired policy by the words of %s', (_, status, code, message) => {
  const expired = facts(status, code, `<Message>${message}</Message>`);
  expect(classifyAnswer(expired, 'us-east-1')).toBe('clock');
});

it('does not take a refusal that merely names the region for a redirect', () => {
  const denied = facts(403, 'AccessDenied', '', { 'x-amz-bucket-region': 'eu-west-1' });
  expect(classifyAnswer(denied, 'us-east-1')).toBe('fatal');
  const sameRegion = facts(400, 'InvalidArgument', '<Region>us-east-1</Region>');
  expect(classifyAnswer(sameRegion, 'us-east-1')).toBe('fatal');
});

it.each([
  ['a document type', '<!DOCTYPE x [<!ENTITY a "b">]><Error><Code>AccessDenied</Code></Error>'],
  ['a code of the wrong form', '<Error><Code>Access denied for token XYZ</Code></Error>'],
  ['another root', '<html><Code>AccessDenied</Code></html>'],
  ['broken XML', '<Error><Code>AccessDenied</Error>'],
  ['text', 'AccessDenied'],
])('reads no code out of %s', (_, text) => {
  expect(errorFacts({ status: 403, headers: {}, text }).code).toBeUndefined();
});

it.each([
  ['120', 120_000],
  ['Fri, 02 Jan 2026 03:04:15 GMT', 10_000],
  ['soon', undefined],
])('reads Retry-After: %s', (value, expected) => {
  const headers = { 'retry-after': value, date: 'Fri, 02 Jan 2026 03:04:05 GMT' };
  expect(facts(503, '', '', headers).retryAfterMs).toBe(expected);
});

const withCode = (code: string) => Object.assign(new Error('x'), { code });

it.each([
  [withCode('ECONNRESET'), 'network'],
  [new Error('failed', { cause: withCode('ENOTFOUND') }), 'network'],
  [new AggregateError([withCode('ECONNREFUSED'), withCode('ECONNREFUSED')]), 'network'],
  [withCode('HPE_INVALID_CONSTANT'), 'network'],
  [withCode('DEPTH_ZERO_SELF_SIGNED_CERT'), 'tls'],
  [withCode('ERR_TLS_CERT_ALTNAME_INVALID'), 'tls'],
  [withCode('ERR_SSL_WRONG_VERSION_NUMBER'), 'tls'],
  [withCode('UND_ERR_CLOSED'), 'closed'],
])('places network error %# at the %s', (error, where) => {
  expect(classifyNetworkError(error)?.where).toBe(where);
});

it('does not take a mistake of this program for a network error', () => {
  expect(classifyNetworkError(new TypeError('x is not a function'))).toBeUndefined();
  expect(classifyNetworkError(withCode('UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'))).toBeUndefined();
  expect(classifyNetworkError('text')).toBeUndefined();
});

it('pauses longer with each attempt, and from one second when throttled', () => {
  const most = (faultClass: FaultClass, attempt: number) =>
    retryDelayMs(faultClass, attempt, undefined, DEFAULT_PAUSES, () => 1);
  expect([1, 2, 3].map((attempt) => most('transient', attempt))).toEqual([100, 200, 400]);
  expect([1, 2, 3].map((attempt) => most('throttle', attempt))).toEqual([1000, 2000, 4000]);
  expect(most('throttle', 30)).toBe(20_000);
});

it('lets Retry-After lengthen a pause by five seconds at most, and never shorten it', () => {
  const delay = (retryAfterMs: number) => retryDelayMs('throttle', 1, retryAfterMs, DEFAULT_PAUSES, () => 1);
  expect(delay(10)).toBe(1000);
  expect(delay(3000)).toBe(3000);
  expect(delay(600_000)).toBe(6000);
});

it('runs out of retries when nothing succeeds, and refills by successes up to its size', () => {
  const budget = createRetryBudget(30);
  expect([budget.take(14), budget.take(14), budget.take(14)]).toEqual([true, true, false]);
  budget.give(12);
  expect(budget.take(14)).toBe(true);
  budget.give(1000);
  expect([budget.take(30), budget.take(1)]).toEqual([true, false]);
});

it("takes over the store's time when it is far off, and says so once", () => {
  const clock = createServerClock(() => 1_000_000);
  expect(clock.learn(1_010_000)).toBe(false);
  expect(clock.now().getTime()).toBe(1_000_000);
  expect(clock.learn(5_000_000)).toBe(true);
  expect(clock.now().getTime()).toBe(5_000_000);
  expect(clock.learn(5_000_500)).toBe(false);
  expect(clock.learn(Number.NaN)).toBe(false);
});
