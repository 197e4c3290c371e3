/** Lets a simulator run as a program of its own: `node dist/test/_support/engines/<name>-simulator.js --port 0`. */
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import type { EngineSimulator } from './engine-simulator.ts';

/** Starts when `moduleUrl` is the program, and prints the URL; Ctrl-C ends it. */
export async function runWhenMain(
  moduleUrl: string,
  start: (options: { readonly port: number; readonly stepMs: number }) => Promise<EngineSimulator>,
): Promise<void> {
  if (process.argv[1] !== fileURLToPath(moduleUrl)) return;
  const { values } = parseArgs({
    options: { port: { type: 'string', default: '0' }, 'step-ms': { type: 'string', default: '100' } },
  });
  const simulator = await start({ port: Number(values.port), stepMs: Number(values['step-ms']) });
  process.stdout.write(`${simulator.url}\n`);
  const stop = (): void => void simulator.close();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
}
