#!/usr/bin/env node
/** Entry of sekai-archive. */
import { runArchiveCli } from './archive-cli.ts';

const controller = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => controller.abort(new Error(`stopped by ${signal}`)));
}
const { env: environment, stdout, stderr } = process;
const io = { environment, stdout, stderr, signal: controller.signal };
process.exitCode = await runArchiveCli(process.argv.slice(2), io);
