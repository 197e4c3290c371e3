/** `npm run demo`: the whole system on free ports, one image through it, everything stopped again. */
import { mkdir, mkdtemp } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { Command } from 'commander';
import { formatFailure } from '../../services/client/failure-report.ts';
import { addRequestFlags, requestFromFlags, type RequestFlags } from '../../services/client/request-flags.ts';
import { GenerateImageError, StreamProtocolError } from '../../services/client/errors.ts';
import { pairKeys } from '../../proto/archive-event.ts';
import { ConfigError } from '../../services/runtime/environment.ts';
import { readArchiverConfig } from '../../sidecar/config.ts';
import { ProcessEndedError } from './managed-process.ts';
import { roundTrip, RoundTripError } from './round-trip.ts';
import { startStack, type Stack } from './stack.ts';

const DEFAULT_PROMPT = 'a calm teal ocean under a golden sunset, soft clouds, distant hills';

interface DemoFlags extends RequestFlags {
  readonly prompt: string;
  readonly out?: string;
}

const print = (text: string): void => void process.stdout.write(text);

function readFlags(): DemoFlags {
  const command = new Command('demo')
    .description(
      'Starts everything, generates one image, waits for its pair in the bucket, verifies it, stops everything.',
    )
    .option('--prompt <text>', 'what to draw', DEFAULT_PROMPT)
    .option('--out <file>', "file for the caller's image");
  return addRequestFlags(command).parse().opts<DemoFlags>();
}

async function runDemo(flags: DemoFlags, directory: string, signal: AbortSignal): Promise<void> {
  const out = flags.out === undefined ? join(directory, 'image.jpg') : resolve(flags.out);
  const request = requestFromFlags(flags.prompt, flags, out);
  const started = performance.now();
  const stack = await startStack({ directory, environment: process.env });
  try {
    printStack(stack, performance.now() - started);
    const archiveEnvironment = stack.archive?.environment;
    const hash = await roundTrip({ target: stack.target, request, out, archiveEnvironment, signal, print });
    if (hash !== undefined) printObjects(stack, hash);
    await stack.stop();
    print(hash === undefined ? 'done, archiving is off\n' : `archived ${hash}\n`);
  } finally {
    await stack.stop();
  }
}

function printStack({ target, archive, directory }: Stack, ms: number): void {
  print(`stack    up in ${Math.round(ms)} ms: image service ${target}`);
  if (archive !== undefined) {
    print(`, archiver, nats-server ${archive.nats.version} ${archive.nats.url}, S3 ${archive.s3.endpoint}`);
  }
  print(`\nlogs     ${relative('.', directory)}/{service,archiver}.log\n`);
}

function printObjects({ archive, directory }: Stack, hash: string): void {
  const { s3 } = readArchiverConfig(archive?.environment ?? {});
  const keys = pairKeys(s3.prefix, hash);
  const folder = join(relative('.', directory), 's3', s3.bucket);
  print(`stored   ${join(folder, keys.image)}\n         ${join(folder, keys.record)}\n`);
}

const controller = new AbortController();
process.once('SIGINT', () => controller.abort(new Error('interrupted')));
process.once('SIGTERM', () => controller.abort(new Error('terminated')));
const flags = readFlags();
const parent = resolve('.sekai', 'demo');
await mkdir(parent, { recursive: true });
const directory = await mkdtemp(join(parent, 'run-'));
try {
  await runDemo(flags, directory, controller.signal);
} catch (error) {
  const expected = error instanceof GenerateImageError || error instanceof StreamProtocolError;
  if (expected) process.stderr.write(formatFailure(error, 'the image service'));
  else if (
    error instanceof RoundTripError ||
    error instanceof ConfigError ||
    error instanceof ProcessEndedError
  ) {
    process.stderr.write(`${error.message}\n`);
  } else throw error;
  process.stderr.write(`logs are in ${relative('.', directory)}\n`);
  process.exitCode = error instanceof ProcessEndedError ? (error.exitCode ?? 1) : 1;
}
