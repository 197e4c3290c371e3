/** Load from a process of its own: h2load where it is installed, else our generator. The request is encoded once. */
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GenerateImageRequest } from '../../../proto/gen/sekai/image/v1/image_generation_service.ts';

const run = promisify(execFile);
export const METHOD_PATH = '/sekai.image.v1.ImageGenerationService/GenerateImage';
/** Flow-control window of a stream and of a connection: 2^20 - 1 bytes. */
export const WINDOW_BITS = 20;

export interface LoadOptions {
  readonly port: number;
  /** How many calls in all. */
  readonly calls: number;
  readonly connections: number;
  /** At once on each connection. */
  readonly streams: number;
  /** An answer with fewer bytes on average is an error that came with HTTP status 200, bytes. */
  readonly minAnswerBytes: number;
}

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
  const seconds = /finished in ([\d.]+)(us|ms|s|m)/.exec(stdout);
  const succeeded = Number(/(\d+) succeeded/.exec(stdout)?.[1]);
  // From "traffic: 286.17MB (300067214) total, 1.2KB (1234) headers (…), 286.1MB (300000000) data".
  const dataBytes = Number(/\((\d+)\) data/.exec(stdout)?.[1]);
  if (seconds === null || succeeded !== calls) throw new Error(`h2load failed:\n${stdout}`);
  const scale = { us: 1e-6, ms: 1e-3, s: 1, m: 60 }[seconds[2] as 'us' | 'ms' | 's' | 'm'];
  const log = await readFile(logFile, 'utf8');
  const latenciesMs = log
    .trim()
    .split('\n')
    .map((line) => Number(line.split('\t')[2]) / 1000);
  return rates(Number(seconds[1]) * scale, calls, dataBytes, latenciesMs);
}

async function runOwn(frameFile: string, _logFile: string, options: LoadOptions): Promise<LoadResult> {
  const program = new URL('../load-generator.js', import.meta.url).pathname;
  const { stdout } = await run(process.execPath, [program, JSON.stringify({ ...options, frameFile })], {
    maxBuffer: 64 * 1024 * 1024,
  });
  const { seconds, dataBytes, latenciesMs } = JSON.parse(stdout) as {
    seconds: number;
    dataBytes: number;
    latenciesMs: number[];
  };
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
