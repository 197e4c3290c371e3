import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { createChildProcesses } from './child-processes.ts';

const MANY = 12;

const sleeper = (): ChildProcess =>
  spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)'], { stdio: 'ignore' });

test('many children take one exit listener, which kills them all, and leave none behind', async () => {
  const before = process.listeners('exit');
  const children = createChildProcesses();
  const started = Array.from({ length: MANY }, sleeper);
  for (const child of started) children.add(child);
  const added = process.listeners('exit').filter((listener) => !before.includes(listener));
  expect(added).toHaveLength(1);

  const [first, ...others] = started;
  const ended = others.map((child) => once(child, 'exit'));
  const firstEnded = once(first as ChildProcess, 'exit');
  first?.kill('SIGTERM');
  expect(await firstEnded).toEqual([null, 'SIGTERM']);
  expect(process.listeners('exit')).toContain(added[0]);
  added[0]?.(0);
  expect(await Promise.all(ended)).toEqual(others.map(() => [null, 'SIGKILL']));
  expect(process.listeners('exit')).toEqual(before);
});

test('a child that could not be started is not waited for', async () => {
  const before = process.listenerCount('exit');
  const missing = spawn('/nowhere/no-program');
  const failed = once(missing, 'error');
  createChildProcesses().add(missing);
  await failed;
  expect(process.listenerCount('exit')).toBe(before);
});
