import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { encodeArchiveEvent, EventFault } from '../proto/archive-event.ts';
import { createLogger } from '../services/runtime/logger.ts';
import { passingTracing } from '../services/runtime/tracing/passing-tracing.ts';
import { testEvent, testImage } from '../test/_support/archive-bench.ts';
import { createArchiverMetrics } from './archiver-metrics.ts';
import { createAttempts } from './attempts.ts';
import type { DeadLetter } from './dead-letters.ts';
import type { HeldEvent } from './event-source.ts';
import { TargetFault } from './object-store.ts';
import { createSettleEvent, type SettleEventParts } from './settle-event.ts';

const never = new AbortController().signal;
const image = testImage(64);
const record = Buffer.from('{"prompt":"a secret garden"}');
const event = testEvent(image, { inputRecord: record });
const chunked = encodeArchiveEvent(testEvent(image, { chunkBytes: 16 }));

describe('settling an event', () => {
  let calls: string[];
  let lines: string[];
  let buried: DeadLetter[];
  beforeEach(() => {
    calls = [];
    lines = [];
    buried = [];
  });
  afterEach(() => vi.useRealTimers());

  const held = (payload: Uint8Array = encodeArchiveEvent(event)): HeldEvent => ({
    sequence: 1,
    subjectHash: image.hash,
    trace: {},
    messageId: event.handoffId,
    payload,
    ack: async () => void calls.push('ack'),
    retry: (delayMs) => void calls.push(`retry ${delayMs}`),
    reject: async () => void calls.push('reject'),
    working: () => void calls.push('working'),
  });
  const settling = (more: Partial<SettleEventParts>) =>
    createSettleEvent({
      tracing: passingTracing,
      archivePair: async () => 'uploaded',
      chunks: { get: async () => undefined, purge: async () => void calls.push('purge') },
      deadLetters: { bury: async (letter) => void buried.push(letter) },
      attempts: createAttempts(),
      target: { bucket: 'bucket', prefix: 'prefix/' },
      backoff: { baseMs: 1_000, maxMs: 60_000, random: () => 0 },
      heartbeatMs: 10_000,
      log: createLogger('test', 'trace', { write: (line) => void lines.push(line) }),
      metrics: createArchiverMetrics(),
      ...more,
    });
  const failing = (error: Error) =>
    settling({
      archivePair: async () => {
        throw error;
      },
    });

  it('acknowledges; purges before that what may have been chunked, and again what was', async () => {
    expect(await settling({})(held(), never)).toEqual({ target: 'good' });
    expect(calls).toEqual(['ack']);
    calls = [];
    const large = testImage(500 * 1024);
    const inline = encodeArchiveEvent(testEvent(large));
    await settling({})({ ...held(inline), subjectHash: large.hash }, never);
    expect(calls).toEqual(['purge', 'ack']);
    calls = [];
    await settling({})(held(chunked), never);
    expect(calls).toEqual(['purge', 'ack', 'purge']);
  });

  it('says that it is working on an event for as long as it does', async () => {
    vi.useFakeTimers();
    let finish = (): void => {};
    const archivePair = () =>
      new Promise<'uploaded'>((resolve) => {
        finish = () => resolve('uploaded');
      });
    const settled = settling({ archivePair })(held(), never);
    await vi.advanceTimersByTimeAsync(35_000);
    finish();
    await settled;
    await vi.advanceTimersByTimeAsync(35_000);
    expect(calls).toEqual(['working', 'working', 'working', 'ack']);
  });

  it('gives an event back after a fault of the target, later with each attempt', async () => {
    const settle = failing(new TargetFault('unavailable', 'S3 answered 503', 'wait'));
    for (let attempt = 0; attempt < 3; attempt += 1) {
      expect(await settle(held(), never)).toMatchObject({ target: 'faulty' });
    }
    expect(calls).toEqual(['retry 500', 'retry 1000', 'retry 2000']);
    expect(lines[0]).toContain(
      `"msg":"Internal S3: Failed to upload prefix/output-${image.hash}.jpg: S3 answered 503"`,
    );
    expect(lines[0]).toContain('"cure":"wait"');
    expect(lines[0]).toContain('"level":"warn"');
  });

  it('waits as long as the target asks, and calls for an operator where only one can help', async () => {
    const fault = new TargetFault('permission', 'AccessDenied', 'grant s3:PutObject', {
      retryAfterMs: 45_000,
    });
    expect(await failing(fault)(held(), never)).toEqual({ target: 'faulty', retryAfterMs: 45_000 });
    expect(calls).toEqual(['retry 45000']);
    expect(lines[0]).toContain('"level":"error"');
  });

  it('gives an event back when the queue is at fault, which says nothing about the target', async () => {
    expect(await failing(new Error('TIMEOUT'))(held(), never)).toEqual({ target: 'unknown' });
    expect(calls).toEqual(['retry 500']);
  });

  it('gives an event back when its chunks cannot be purged', async () => {
    const chunks = { get: async () => undefined, purge: () => Promise.reject(new Error('TIMEOUT')) };
    await settling({ chunks })(held(chunked), never);
    expect(calls).toEqual(['retry 500']);
  });

  it('gives an event back that is turned away at its turn, which says nothing about the target', async () => {
    const settle = settling({
      archivePair: async (_, observer) => {
        observer.admitted();
        return 'uploaded';
      },
    });
    expect(await settle(held(), never, () => 1_234)).toEqual({ target: 'unknown' });
    expect(calls).toEqual(['retry 1234']);
    expect(await settle(held(), never, () => undefined)).toEqual({ target: 'good' });
  });

  it('rejects an event at fault only after its dead letter is safe', async () => {
    const fault = new EventFault('HASH_MISMATCH', 'other bytes');
    await failing(fault)(held(), never);
    expect(buried).toMatchObject([{ imageHash: image.hash, handoffId: event.handoffId, fault }]);
    expect(calls).toEqual(['reject']);
  });

  it('keeps an event at fault in the queue when its dead letter cannot be kept', async () => {
    const settle = settling({
      archivePair: () => Promise.reject(new EventFault('HASH_MISMATCH', 'other bytes')),
      deadLetters: { bury: () => Promise.reject(new Error('stream is full')) },
    });
    await settle(held(), never);
    expect(calls).toEqual(['retry 500']);
  });

  it('names the letter of an event without an id after its place in the queue', async () => {
    const garbage = { ...held(Buffer.from('garbage')), messageId: 'not a uuid; > *' };
    await settling({})(garbage, never);
    expect(buried[0]?.handoffId).toBe('seq-1');
  });

  it('gives an event back at once on a hard stop, also when the work ignores it', async () => {
    const abort = new AbortController();
    const settled = settling({ archivePair: () => new Promise(() => {}) })(held(), abort.signal);
    abort.abort(new Error('stop'));
    await settled;
    expect(calls).toEqual(['retry 0']);
    expect(lines).toEqual([]);
  });

  it('never logs the record', async () => {
    for (const error of [
      new Error('x'),
      new EventFault('SIZE_MISMATCH', 'y'),
      new TargetFault('network', 'z', 'c'),
    ]) {
      await failing(error)(held(), never);
    }
    expect(lines).toHaveLength(3);
    expect(lines.join('')).not.toContain('garden');
  });
});
