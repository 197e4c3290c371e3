#!/usr/bin/env node
/** Entry of sekai-generate. */
import { runGenerate } from './generate-command.ts';

const controller = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => controller.abort(new Error(`stopped by ${signal}`)));
}
const { stdout, stderr, env: environment } = process;
process.exitCode = await runGenerate(process.argv.slice(2), {
  stdout,
  stderr,
  environment,
  signal: controller.signal,
});
