/** A server that is not ours, run for tests; it never outlives them. */
import { spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import { createChildProcesses } from '../../deploy/dev/child-processes.ts';

export interface ServerProcess {
  readonly logFile: string;
  readonly running: boolean;
  /** Sends the signal and waits for the end. Idempotent. */
  stop(signal: NodeJS.Signals): Promise<void>;
}

/** Starts a program whose output goes to `logFile`. */
export async function startServerProcess(
  program: string,
  args: readonly string[],
  logFile: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<ServerProcess> {
  const log = await open(logFile, 'a');
  const child = spawn(program, args, { stdio: ['ignore', log.fd, log.fd], env: environment });
  const gone = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('exit', () => resolve());
  });
  await log.close(); // the child has its own copy
  createChildProcesses().add(child);
  return {
    logFile,
    get running() {
      return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
    },
    async stop(signal) {
      child.kill(signal);
      await gone;
    },
  };
}

/**
 * Returns once the server gives any answer over HTTP.
 * @throws {Error} with the end of its log when it ends before, or stays silent.
 */
export async function untilAnswering(
  endpoint: string,
  server: ServerProcess,
  timeoutMs: number,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (server.running && Date.now() < deadline) {
    try {
      await (await request(endpoint)).body.dump();
      return;
    } catch {
      await delay(50);
    }
  }
  const tail = (await readFile(server.logFile, 'utf8')).split('\n').slice(-10).join('\n');
  throw new Error(`no answer from ${endpoint}; end of ${server.logFile}:\n${tail}`);
}
