/** One of our own processes, run as in production, for the dev stack and for tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type ChildProcesses, createChildProcesses } from './child-processes.ts';

/** A line of a process's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg?: string };

export interface ManagedProcessOptions {
  readonly name: string;
  /** Entry file below dist/, the compiled tree of the repository that is the working directory. */
  readonly entry: string;
  readonly environment: Readonly<Record<string, string>>;
  /** File that keeps everything the process prints. */
  readonly logFile: string;
  /** Text of the line by which the process says that it is ready. */
  readonly readyMessage: string;
  readonly onLine?: (line: LogLine) => void;
  /** Whose the process is. Default: it owns itself, which takes one `exit` listener for each. */
  readonly children?: ChildProcesses;
}

export interface ManagedProcess {
  readonly name: string;
  readonly pid: number;
  readonly running: boolean;
  /** The line by which it said that it is ready, with its ports. */
  readonly ready: LogLine;
  /** The last lines, oldest first. */
  readonly lines: readonly LogLine[];
  /** Resolves with the first line, past or future, that fits. */
  line(fits: (line: LogLine) => boolean, timeoutMs?: number): Promise<LogLine>;
  /** Stops it gently; resolves with the exit code. Idempotent. */
  stop(): Promise<number | null>;
  /** Sends a signal; for SIGKILL resolves when the process is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
}

const READY_TIMEOUT_MS = 30_000;
const LINES_KEPT = 5_000;

/**
 * Starts a process and waits until it is ready.
 * @throws {Error} with what it printed when it ends before.
 */
export async function startManagedProcess(options: ManagedProcessOptions): Promise<ManagedProcess> {
  const child = spawn(process.execPath, ['--enable-source-maps', join('dist', options.entry)], {
    env: { ...options.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own: Ctrl-C reaches us alone, and we stop everything in order.
    detached: true,
  });
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => resolve(code));
  });
  (options.children ?? createChildProcesses()).add(child);
  const log = collectLines(child, options);
  const managed: Omit<ManagedProcess, 'ready'> = {
    name: options.name,
    pid: child.pid ?? 0,
    get running() {
      return child.exitCode === null && child.signalCode === null;
    },
    lines: log.lines,
    line: (fits, timeoutMs = READY_TIMEOUT_MS) => log.find(fits, timeoutMs),
    async stop() {
      child.kill('SIGTERM');
      return exited;
    },
    async kill(signal) {
      child.kill(signal);
      if (signal === 'SIGKILL') await exited;
    },
  };
  const ready = await Promise.race([managed.line(({ msg }) => msg === options.readyMessage), exited]);
  if (ready === null || typeof ready === 'number') {
    const printed = log.lines.map((line) => line.msg ?? JSON.stringify(line)).join('\n');
    throw new ProcessEndedError(options.name, ready, printed);
  }
  return Object.defineProperties(managed, { ready: { value: ready } }) as ManagedProcess;
}

/** The process ended instead of getting ready. */
export class ProcessEndedError extends Error {
  override readonly name = 'ProcessEndedError';
  readonly exitCode: number | null;

  constructor(processName: string, exitCode: number | null, printed: string) {
    super(`${processName} ended with code ${exitCode} before it was ready:\n${printed}`);
    this.exitCode = exitCode;
  }
}

function collectLines(child: ChildProcess, options: ManagedProcessOptions) {
  const lines: LogLine[] = [];
  const watchers = new Set<(line: LogLine) => void>();
  const file = createWriteStream(options.logFile, { flags: 'a' });
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on('line', (text) => {
      file.write(`${text}\n`);
      const line = parseLine(text);
      lines.push(line);
      if (lines.length > LINES_KEPT) lines.shift();
      options.onLine?.(line);
      for (const watch of watchers) watch(line);
    });
  }
  child.once('close', () => file.end());
  return {
    lines,
    find(fits: (line: LogLine) => boolean, timeoutMs: number): Promise<LogLine> {
      const past = lines.find(fits);
      if (past !== undefined) return Promise.resolve(past);
      return new Promise((resolve, reject) => {
        const watch = (line: LogLine): void => {
          if (!fits(line)) return;
          clearTimeout(timer);
          watchers.delete(watch);
          resolve(line);
        };
        const timer = setTimeout(() => {
          watchers.delete(watch);
          reject(
            new Error(`${options.name} did not log the line in ${timeoutMs} ms; see ${options.logFile}`),
          );
        }, timeoutMs);
        timer.unref();
        watchers.add(watch);
      });
    },
  };
}

function parseLine(text: string): LogLine {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) return parsed as LogLine;
  } catch {
    // Not ours: Node's own words, such as a stack.
  }
  return { msg: text };
}
