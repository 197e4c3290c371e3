/** sekai-generate: a prompt in, a file out. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { addConnectionFlags, type ConnectionFlags, readConnection } from './connection-flags.ts';
import { downloadImage } from './download-image.ts';
import { failureFacts, formatFailure } from './failure-report.ts';
import { formatSummary, type SavedFile, summarise } from './generation-summary.ts';
import {
  createImageGenerationClient,
  type GeneratedImage,
  type ImageRequestFields,
} from './image-generation-client.ts';
import { createProgressDisplay, type DisplayStream, silentDisplay } from './progress-display.ts';
import { addRequestFlags, readCount, type RequestFlags, requestFromFlags } from './request-flags.ts';
import { saveImage, saveObstacle } from './save-image.ts';

export const EXIT_CODE_FAILED = 1;
/** EX_USAGE of sysexits.h. */
export const EXIT_CODE_USAGE = 64;
/** 128 + SIGINT, as shells have it. */
const EXIT_CODE_INTERRUPTED = 130;

export interface GenerateIo {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: DisplayStream;
  /** Aborts when the user interrupts. */
  readonly signal: AbortSignal;
  /** Where a token may be; empty if left out. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

interface GenerateFlags extends RequestFlags, ConnectionFlags {
  readonly output?: string;
  readonly deadlineSeconds: number;
  readonly attempts: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Runs the command with its arguments (without node and script); returns the exit code, never throws. */
export async function runGenerate(args: readonly string[], io: GenerateIo): Promise<number> {
  const command = createCommand(io);
  let request: ImageRequestFields;
  try {
    command.parse([...args], { from: 'user' });
    request = await readRequest(command);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_CODE_USAGE;
    throw error;
  }
  return generate(request, command.opts<GenerateFlags>(), io);
}

function createCommand(io: GenerateIo): Command {
  const command = new Command('sekai-generate')
    .description('Generates one image and writes it to a file.')
    .argument('<prompt>', 'what to draw')
    .option(
      '-o, --output <file>',
      'file to write (default: image-{hash}.{format} here; for s3 none, only the link is printed)',
    );
  return addRequestFlags(addConnectionFlags(command))
    .option('--deadline-seconds <seconds>', 'longest time the call may take', readCount, 120)
    .option('--attempts <count>', 'calls in all while the service is unreachable or full', readAttempts, 4)
    .option('--json', 'print one JSON object instead of lines')
    .option('-q, --quiet', 'no progress')
    .addHelpText('after', '\nExit codes: 0 done, 1 the call failed, 64 wrong usage.')
    .showHelpAfterError('(--help tells what there is)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
    });
}

/** @throws {CommanderError} after telling the user what is wrong. */
async function readRequest(command: Command): Promise<ImageRequestFields> {
  const flags = command.opts<GenerateFlags>();
  const obstacle = flags.output === undefined ? undefined : await saveObstacle(flags.output);
  if (obstacle !== undefined) command.error(`error: cannot write --output: ${obstacle}`);
  try {
    return requestFromFlags(command.args[0] ?? '', flags, flags.output);
  } catch (error) {
    if (error instanceof InvalidArgumentError) command.error(`error: --output: ${error.message}`);
    throw error;
  }
}

async function generate(request: ImageRequestFields, flags: GenerateFlags, io: GenerateIo): Promise<number> {
  const { target } = flags;
  const start = performance.now();
  try {
    const image = await call(request, flags, io);
    const file = await save(image, flags, io.signal);
    const summary = summarise(image, file, performance.now() - start);
    io.stdout.write(flags.json ? `${JSON.stringify(summary)}\n` : formatSummary(summary));
    return 0;
  } catch (error) {
    if (io.signal.aborted) return EXIT_CODE_INTERRUPTED;
    io.stderr.write(formatFailure(error, target));
    if (flags.json) io.stdout.write(`${JSON.stringify(failureFacts(error))}\n`);
    return EXIT_CODE_FAILED;
  }
}

async function call(
  request: ImageRequestFields,
  flags: GenerateFlags,
  io: GenerateIo,
): Promise<GeneratedImage> {
  const client = createImageGenerationClient({
    ...(await readConnection(flags, io.environment ?? {})),
    retry: { maxAttempts: flags.attempts },
  });
  const display = flags.quiet ? silentDisplay : createProgressDisplay(io.stderr);
  try {
    return await client.generateImage(request, {
      signal: io.signal,
      deadlineMs: flags.deadlineSeconds * 1000,
      onAccepted: display.onAccepted,
      onProgress: display.onProgress,
      onRetry: display.onRetry,
    });
  } finally {
    display.stop();
    client.close();
  }
}

/** Writes the payload, or for response format S3 the archived image if a file is wanted. Returns the file. */
async function save(
  image: GeneratedImage,
  flags: GenerateFlags,
  signal: AbortSignal,
): Promise<SavedFile | undefined> {
  const path = flags.output ?? (image.header === undefined ? undefined : defaultFile(image));
  if (path === undefined) return undefined;
  const bytes = image.header === undefined ? await downloadImage(image.result, signal) : image.bytes;
  await saveImage(path, bytes);
  return { path, sizeBytes: bytes.length };
}

function readAttempts(text: string): number {
  const count = readCount(text);
  if (count >= 1) return count;
  throw new InvalidArgumentError('not a whole number from 1');
}

/** Never the name of another image's file. */
function defaultFile({ header, bytes }: GeneratedImage): string {
  const extension = header?.mediaType.replace(/^[a-z]+\//, '').replace('jpeg', 'jpg') ?? 'bin';
  const hash = Buffer.from(header?.sha256 ?? bytes).toString('hex');
  return `image-${hash.slice(0, 12)}.${extension}`;
}
