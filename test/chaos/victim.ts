/** One of our processes, to be killed, stopped, paused and started again, on the same ports and files. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createChildProcesses } from '../../deploy/dev/child-processes.ts';

export interface VictimOptions {
  readonly name: string;
  /** Entry file below dist/. */
  readonly entry: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Keeps what it prints. */
  readonly logFile: string;
}

export interface Victim {
  readonly name: string;
  /** Of the process that runs; undefined when none does. */
  readonly pid: number | undefined;
  /** Ends that nobody ordered, as text. */
  readonly crashes: readonly string[];
  start(): void;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves when it is gone, by force after `deadlineMs`, which counts as a crash. */
  stop(deadlineMs: number): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  pause(): void;
  goOn(): void;
}

export function createVictim(options: VictimOptions): Victim {
  const crashes: string[] = [];
  let child: ChildProcess | undefined;
  let gone: Promise<void> = Promise.resolve();
  let expected = false;
  const children = createChildProcesses();

  function start(): void {
    expected = false;
    const log = createWriteStream(options.logFile, { flags: 'a' });
    const started = spawn(process.execPath, ['--enable-source-maps', join('dist', options.entry)], {
      env: { ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    child = started;
    started.stdout.pipe(log, { end: false });
    started.stderr.pipe(log, { end: false });
    children.add(started);
    gone = new Promise((resolve) => {
      started.once('close', (code, signal) => {
        log.end();
        if (!expected) crashes.push(`${options.name} ended by itself with ${signal ?? `code ${code}`}`);
        else if (signal === null && code !== 0) crashes.push(`${options.name} ended with code ${code}`);
        if (child === started) child = undefined;
        resolve();
      });
    });
  }

  return {
    name: options.name,
    get pid() {
      return child?.pid;
    },
    crashes,
    start,
    async kill() {
      expected = true;
      child?.kill('SIGKILL');
      await gone;
    },
    async stop(deadlineMs) {
      expected = true;
      child?.kill('SIGCONT');
      child?.kill('SIGTERM');
      const late = setTimeout(() => {
        crashes.push(`${options.name} did not stop within ${deadlineMs} ms`);
        child?.kill('SIGKILL');
      }, deadlineMs);
      await gone;
      clearTimeout(late);
    },
    pause: () => void child?.kill('SIGSTOP'),
    goOn: () => void child?.kill('SIGCONT'),
  };
}
