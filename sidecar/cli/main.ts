#!/usr/bin/env node
/** Entry of sekai-archive. */
import { setMaxListeners } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { runArchiveCli } from './archive-cli.ts';

const controller = new AbortController();
// Every request listens to it, and takes its listener away again.
setMaxListeners(0, controller.signal);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => controller.abort(new Error(`stopped by ${signal}`)));
}
const { env: environment, stdin, stdout, stderr } = process;
const { signal } = controller;

async function confirm(question: string): Promise<boolean> {
  const terminal = createInterface({ input: stdin, output: stderr });
  // The terminal is in raw mode, so that Ctrl-C is no signal.
  terminal.once('SIGINT', () => controller.abort(new Error('stopped by Ctrl-C')));
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `, { signal })).trim());
  } finally {
    terminal.close();
  }
}

const answers = stdin.isTTY ? confirm : undefined;
const io = { environment, stdin, stdout, stderr, signal, confirm: answers, nowMs: Date.now };
process.exitCode = await runArchiveCli(process.argv.slice(2), io);
