/** Load from a process of its own: h2load where it is installed, else our generator. The request is encoded once. */
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GenerateImageRequest } from '../../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { readH2loadLatenciesMs, readH2loadOutput } from './h2load-output.ts';
import { type LoadOptions, METHOD_PATH, WINDOW_BITS } from './load-options.ts';
import type { OwnLoadResult } from './own-load.ts';

const run = promisify(execFile);

export interface LoadResult {
  readonly seconds: number;
  readonly callsPerSecond: number;
  /** Payload of HTTP/2 DATA frames. */
  readonly dataBytes: number;
  /** The same, MB (10⁶ bytes) a second. */
  readonly megabytesPerSecond: number;
  /** Of each call, ms. */
  readonly latenciesMs: readonly number[];
}

export interface LoadGenerator {
  readonly name: string;
  load(options: LoadOptions): Promise<LoadResult>;
}

/** Calls with `request` from now on. `directory` takes the files this needs. */
export async function createLoadGenerator(
  directory: string,
  request: Partial<GenerateImageRequest>,
): Promise<LoadGenerator> {
  const frameFile = join(directory, 'request.frame');
  await writeFile(frameFile, requestFrame(request));
  const tool = await loadTool();
  const measure = tool === 'h2load' ? runH2load : runOwn;
  return {
    name: tool,
    async load(options) {
      const result = await measure(frameFile, join(directory, 'calls.log'), options);
      const answerBytes = result.dataBytes / options.calls;
      if (answerBytes < options.minAnswerBytes) {
        throw new Error(`answers had ${Math.round(answerBytes)} bytes instead of ${options.minAnswerBytes}`);
      }
      return result;
    },
  };
}

/** "h2load", or "own" with nghttp2 not installed. */
export async function loadTool(): Promise<'h2load' | 'own'> {
  return run('h2load', ['--version']).then(
    () => 'h2load',
    () => 'own',
  );
}

function requestFrame(request: Partial<GenerateImageRequest>): Buffer {
  const whole = { ...GenerateImageRequest.decode(new Uint8Array(0)), prompt: 'a calm sea', ...request };
  const message = GenerateImageRequest.encode(whole).finish();
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

async function runH2load(frameFile: string, logFile: string, options: LoadOptions): Promise<LoadResult> {
  const { port, calls, connections, streams } = options;
  await rm(logFile, { force: true });
  const plan = `-n ${calls} -c ${connections} -m ${streams} -t 1 -w ${WINDOW_BITS} -W ${WINDOW_BITS}`;
  const { stdout } = await run('h2load', [
    ...plan.split(' '),
    '-d',
    frameFile,
    `--log-file=${logFile}`,
    '-H',
    'content-type: application/grpc',
    '-H',
    'te: trailers',
    `http://127.0.0.1:${port}${METHOD_PATH}`,
  ]);
  const output = readH2loadOutput(stdout);
  if (output?.succeeded !== calls) throw new Error(`h2load failed:\n${stdout}`);
  const latenciesMs = readH2loadLatenciesMs(await readFile(logFile, 'utf8'));
  return rates(output.seconds, calls, output.dataBytes, latenciesMs);
}

async function runOwn(frameFile: string, _logFile: string, options: LoadOptions): Promise<LoadResult> {
  const program = new URL('../load-generator.js', import.meta.url).pathname;
  const { stdout } = await run(process.execPath, [program, JSON.stringify({ ...options, frameFile })], {
    maxBuffer: 64 * 1024 * 1024,
  });
  const { seconds, dataBytes, latenciesMs } = JSON.parse(stdout) as OwnLoadResult;
  return rates(seconds, options.calls, dataBytes, latenciesMs);
}

const rates = (
  seconds: number,
  calls: number,
  dataBytes: number,
  latenciesMs: readonly number[],
): LoadResult => ({
  seconds,
  callsPerSecond: calls / seconds,
  dataBytes,
  megabytesPerSecond: dataBytes / 1e6 / seconds,
  latenciesMs,
});
