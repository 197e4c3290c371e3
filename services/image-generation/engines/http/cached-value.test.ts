import { expect, test } from 'vitest';
import { createCachedValue } from './cached-value.ts';

function fixture() {
  let now = 0;
  let loads = 0;
  let failing = false;
  const cache = createCachedValue({
    load: async () => {
      loads += 1;
      if (failing) throw new Error('down');
      return loads;
    },
    freshMs: 10,
    usableMs: 100,
    nowMs: () => now,
  });
  const get = () => cache.get(new AbortController().signal);
  return {
    cache,
    get,
    at: (ms: number) => void (now = ms),
    fail: () => void (failing = true),
    get loads() {
      return loads;
    },
  };
}

test('a value is loaded once for all who ask at the same time, and kept while fresh', async () => {
  const value = fixture();
  expect(await Promise.all([value.get(), value.get(), value.get()])).toEqual([1, 1, 1]);
  value.at(10);
  expect(await value.get()).toBe(1);
  expect(value.loads).toBe(1);
});

test('an old value serves while a new one is loaded, and while that fails', async () => {
  const value = fixture();
  await value.get();
  value.at(50);
  expect(await value.get()).toBe(1);
  expect(await value.get()).toBe(2);
  value.fail();
  value.at(100);
  expect(await value.get()).toBe(2);
  value.at(200);
  await expect(value.get()).rejects.toThrow('down');
});

test('a forgotten value is loaded again', async () => {
  const value = fixture();
  await value.get();
  value.cache.forget();
  expect(await value.get()).toBe(2);
  expect(value.cache.last).toBe(2);
});
