import { setMaxListeners } from 'node:events';
import { Readable } from 'node:stream';
import { textCollector } from '../../../test/_support/text-collector.ts';
import { runArchiveCli } from '../archive-cli.ts';
import type { CliIo } from '../cli-io.ts';

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs sekai-archive in this process. */
export async function runCli(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  more: Partial<Pick<CliIo, 'confirm' | 'stdin' | 'nowMs'>> = {},
): Promise<Outcome> {
  const stdout = textCollector();
  const stderr = textCollector();
  const { signal } = new AbortController();
  setMaxListeners(0, signal);
  const process = { environment, stdin: Readable.from([]), stdout, stderr, signal, confirm: undefined };
  const code = await runArchiveCli(args, { ...process, nowMs: Date.now, ...more });
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}
