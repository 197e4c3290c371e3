import { expect, it } from 'vitest';
import { createTurns } from './turns.ts';

it('calls every row once, in order', async () => {
  const rows: number[] = [];
  await createTurns().forEach(50, (row) => rows.push(row), new AbortController().signal);
  expect(rows).toEqual(Array.from({ length: 50 }, (_, i) => i));
});

it('gives the event loop back between slices, to others and to its own callers', async () => {
  const turns = createTurns();
  const { signal } = new AbortController();
  const order: string[] = [];
  const busy = (name: string) => () => {
    const end = performance.now() + 4;
    while (performance.now() < end);
    order.push(name);
  };
  const timer = setInterval(() => order.push('timer'), 1);
  await Promise.all([turns.forEach(6, busy('a'), signal), turns.forEach(6, busy('b'), signal)]);
  clearInterval(timer);
  expect(order.filter((name) => name === 'timer').length).toBeGreaterThan(3);
  expect(order.filter((name) => name !== 'timer').join('')).toBe('abababababab');
});

it('stops with the reason when aborted between slices', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  let rows = 0;
  const work = (): void => {
    rows += 1;
    controller.abort(reason);
    const end = performance.now() + 4;
    while (performance.now() < end);
  };
  await expect(createTurns().forEach(100, work, controller.signal)).rejects.toBe(reason);
  expect(rows).toBe(1);
});
