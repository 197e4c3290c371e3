/** The short run of the chaos suite, and the proof that its check notices what it is there to notice. */
import { execFile } from 'node:child_process';
import { expect, test } from 'vitest';

interface Run {
  readonly exitCode: number;
  readonly printed: string;
}

function chaos(...args: string[]): Promise<Run> {
  const command = ['--enable-source-maps', 'dist/test/chaos/run.js', ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, command, { timeout: 300_000 }, (error, stdout, stderr) => {
      const exitCode = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ exitCode, printed: `${stdout}\n${stderr}` });
    });
  });
}

const SEED = process.env['CHAOS_SEED'] ?? '1';

test('a minute of chaos loses, corrupts and orphans nothing', async () => {
  const { exitCode, printed } = await chaos('--minutes', '1', '--seed', SEED);
  expect(printed).toMatch(/^good: nothing lost/m);
  expect(exitCode).toBe(0);
}, 300_000);

test.each([
  ['drop-event', /NOT GOOD: \d+ lost/],
  ['corrupt-object', /NOT GOOD: 1 corrupt/],
  ['orphan-chunk', /NOT GOOD: 1 orphan chunks/],
])(
  'the sabotage %s fails the run, for its own reason',
  async (sabotage, reason) => {
    const { exitCode, printed } = await chaos('--minutes', '0.1', '--seed', SEED, '--sabotage', sabotage);
    expect(printed).toMatch(reason);
    expect(printed).toContain('repeat with: npm run chaos');
    expect(exitCode).toBe(1);
  },
  120_000,
);
