import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';

it('ends after a stop although something keeps the event loop alive, with code 0', async () => {
  const program = `
    import { runUntilSignal } from './dist/services/runtime/lifecycle.js';
    setInterval(() => {}, 1_000);
    const start = async () => (console.log('ready'), { stop: async () => {} });
    await runUntilSignal(start, { stopDeadlineMs: 60_000 });
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});
