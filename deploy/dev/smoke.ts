/** `npm run smoke`: the demo's round trip against a running service and its bucket. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { GenerateImageError, StreamProtocolError } from '../../services/client/errors.ts';
import { formatFailure } from '../../services/client/failure-report.ts';
import { addRequestFlags, requestFromFlags, type RequestFlags } from '../../services/client/request-flags.ts';
import { ConfigError, EXIT_CODE_CONFIG } from '../../services/runtime/environment.ts';
import { roundTrip, RoundTripError } from './round-trip.ts';
import { TargetFault } from '../../sidecar/object-store.ts';

interface SmokeFlags extends RequestFlags {
  readonly target: string;
  readonly prompt: string;
  readonly out?: string;
}

const command = new Command('smoke')
  .description(
    'Generates one image with a running service, waits for its pair in the bucket and verifies it.',
  )
  .requiredOption('--target <host:port>', 'gRPC address of the service')
  .option('--prompt <text>', 'what to draw', 'a lighthouse on a misty coast at dawn')
  .option('--out <file>', "file for the caller's image; default: none is kept")
  .addHelpText('after', '\nThe bucket is reached with the same variables as the archiver: S3_*, AWS_*.');
const flags = addRequestFlags(command).parse().opts<SmokeFlags>();

const controller = new AbortController();
process.once('SIGINT', () => controller.abort(new Error('interrupted')));
const scratch = await mkdtemp(join(tmpdir(), 'sekai-smoke-'));
const out = flags.out === undefined ? join(scratch, 'image.jpg') : resolve(flags.out);
try {
  const hash = await roundTrip({
    target: flags.target,
    request: requestFromFlags(flags.prompt, flags, out),
    out,
    archiveEnvironment: process.env,
    signal: controller.signal,
    print: (text) => void process.stdout.write(text),
  });
  process.stdout.write(hash === undefined ? 'done, archiving is off\n' : `archived ${hash}\n`);
} catch (error) {
  if (error instanceof GenerateImageError || error instanceof StreamProtocolError) {
    process.stderr.write(formatFailure(error, flags.target));
  } else if (error instanceof TargetFault) process.stderr.write(`${error.message}\n${error.cure}\n`);
  else if (error instanceof RoundTripError || error instanceof ConfigError)
    process.stderr.write(`${error.message}\n`);
  else throw error;
  process.exitCode = error instanceof ConfigError ? EXIT_CODE_CONFIG : 1;
} finally {
  await rm(scratch, { recursive: true, force: true });
}
