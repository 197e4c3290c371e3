import { setMaxListeners } from 'node:events';
import { Readable, Writable } from 'node:stream';
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
  const stdout = collector();
  const stderr = collector();
  const { signal } = new AbortController();
  setMaxListeners(0, signal);
  const process = { environment, stdin: Readable.from([]), stdout, stderr, signal, confirm: undefined };
  const code = await runArchiveCli(args, { ...process, nowMs: Date.now, ...more });
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

function collector(): Writable & { text(): string } {
  const parts: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      parts.push(String(chunk));
      done();
    },
  });
  return Object.assign(stream, { text: () => parts.join('') });
}
