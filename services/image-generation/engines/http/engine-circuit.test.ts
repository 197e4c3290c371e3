import { afterEach, expect, test, vi } from 'vitest';
import { createEngineCircuit, type EngineCircuit } from './engine-circuit.ts';
import { engineError } from './engine-failure.ts';

/** Longer than an engine that answered is left alone. */
const WAIT = { timeout: 15_000, interval: 5 };
let circuit: EngineCircuit | undefined;
afterEach(async () => circuit?.close());

function watched(engine: { answer: () => Promise<void>; busy?: boolean }) {
  const changes: string[] = [];
  let asked = 0;
  circuit = createEngineCircuit({
    probe: () => {
      asked += 1;
      return engine.answer();
    },
    isBusy: () => engine.busy ?? false,
    onChange: (state) => changes.push(state),
  });
  return { circuit, changes, asked: () => asked };
}

const refuses = (): Promise<void> => Promise.reject(engineError('UNAVAILABLE', 'ECONNREFUSED'));
const isSlow = (): Promise<void> => Promise.reject(engineError('TIMEOUT', 'no answer'));
const answers = async (): Promise<void> => {};

test('closes at the first answer, opens after two failures, closes again, each told once', async () => {
  const engine = { answer: answers };
  const { circuit: watch, changes } = watched(engine);
  expect(watch.state).toBe('unknown');
  await vi.waitFor(() => expect(watch.state).toBe('closed'), WAIT);
  engine.answer = refuses;
  expect(await watch.check()).toBe(false);
  expect(watch.state).toBe('closed');
  expect(await watch.check()).toBe(false);
  expect(watch.state).toBe('open');
  expect(await watch.check()).toBe(false);
  engine.answer = answers;
  await vi.waitFor(() => expect(watch.state).toBe('closed'), WAIT);
  expect(changes).toEqual(['closed', 'open', 'closed']);
});

test('a job that meets no engine makes it ask at once', async () => {
  const engine = { answer: answers };
  const { circuit: watch } = watched(engine);
  await vi.waitFor(() => expect(watch.state).toBe('closed'), WAIT);
  engine.answer = refuses;
  watch.failed(engineError('UNAVAILABLE', 'ECONNRESET'));
  await vi.waitFor(() => expect(watch.state).toBe('open'), WAIT);
});

test('an engine that is slow while it works stays usable; one that is slow without work does not', async () => {
  const engine = { answer: isSlow, busy: true };
  const { circuit: watch } = watched(engine);
  for (let times = 0; times < 4; times += 1) expect(await watch.check()).toBe(true);
  expect(watch.state).toBe('unknown');
  engine.busy = false;
  await watch.check();
  await watch.check();
  expect(watch.state).toBe('open');
});

test('a question under way when somebody asks is not enough: it may be older than the return', async () => {
  let fail = (_error: Error): void => {};
  const engine: { answer: () => Promise<void> } = {
    answer: () =>
      new Promise((_, reject) => {
        fail = reject;
      }),
  };
  const { circuit: watch } = watched(engine);
  const checked = watch.check();
  engine.answer = answers;
  fail(engineError('UNAVAILABLE', 'ECONNREFUSED'));
  expect(await checked).toBe(true);
});

test('asks no more once closed', async () => {
  const { circuit: watch, asked } = watched({ answer: refuses });
  await vi.waitFor(() => expect(watch.state).toBe('open'), WAIT);
  await watch.close();
  const before = asked();
  await watch.close();
  expect(asked()).toBe(before);
});
