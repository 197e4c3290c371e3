import { describe, expect, it } from 'vitest';
import {
  type ConsumerSnapshot,
  diagnose,
  needsWatchdog,
  remember,
  WATCHDOG_TIMINGS,
} from './consumer-watchdog.ts';

const healthy: Omit<ConsumerSnapshot, 'atMs'> = {
  messages: 0,
  numPending: 0,
  numAckPending: 0,
  numWaiting: 8,
  maxAckPending: 512,
  delivered: '5/5',
  ackFloor: '5/5',
};

/** One snapshot every 10 s, the last one as of now. */
const polls = (...states: Partial<ConsumerSnapshot>[]): ConsumerSnapshot[] =>
  states.map((state, poll) => ({ ...healthy, ...state, atMs: poll * 10_000 }));
const times = (count: number, state: Partial<ConsumerSnapshot>) => Array.from({ length: count }, () => state);
const ailmentOf = (...states: Partial<ConsumerSnapshot>[]) => diagnose(polls(...states), WATCHDOG_TIMINGS);

const STALLED = { messages: 400, numPending: 400 };
const STRANDED = { messages: 212 };

describe('consumer watchdog', () => {
  it('calls a consumer stalled that could deliver and did not through three intervals', () => {
    expect(ailmentOf(...times(4, STALLED))).toBe('stalled');
    expect(ailmentOf(...times(3, STALLED))).toBeUndefined();
  });

  it.each([
    ['somebody received an event', { ...STALLED, delivered: '6/6' }],
    ['somebody acknowledged one', { ...STALLED, ackFloor: '6/6' }],
    ['nobody was waiting, as all breakers were open', { ...STALLED, numWaiting: 0 }],
    ['as many as allowed were held', { ...STALLED, messages: 912, numAckPending: 512 }],
  ])('does not call it stalled when %s meanwhile', (_, state) => {
    expect(ailmentOf(STALLED, state, STALLED, STALLED)).toBeUndefined();
  });

  it('does not take events that wait for their delayed retry for a stall', () => {
    expect(ailmentOf(...times(20, { messages: 3, numAckPending: 3 }))).toBeUndefined();
  });

  it('calls events stranded that are neither pending nor held for a minute', () => {
    expect(ailmentOf(...times(7, STRANDED))).toBe('stranded');
    expect(ailmentOf(...times(6, STRANDED))).toBeUndefined();
    expect(ailmentOf(STRANDED, STRANDED, {}, ...times(5, STRANDED))).toBeUndefined();
  });

  it('finds nothing in no history', () => {
    expect(diagnose([], WATCHDOG_TIMINGS)).toBeUndefined();
  });

  it('forgets what cannot matter any more', () => {
    let history: ConsumerSnapshot[] = [];
    for (let poll = 0; poll < 100; poll += 1) {
      history = remember(history, { ...healthy, atMs: poll * 10_000 }, WATCHDOG_TIMINGS);
    }
    expect(history.length).toBeLessThan(20);
    expect(history.at(-1)?.atMs).toBe(990_000);
  });

  it.each([
    ['2.9.10', true],
    ['2.10.24', true],
    ['2.10.25', false],
    ['2.11.0', false],
    ['v2.12.1-beta.1', false],
    ['unknown', false],
  ])('knows whether nats-server %s needs it: %s', (version, needed) => {
    expect(needsWatchdog(version)).toBe(needed);
  });
});
