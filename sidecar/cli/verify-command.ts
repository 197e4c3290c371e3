/** `sekai-archive verify`: proves that pairs are in the bucket, whole and private. */
import { type Command, InvalidArgumentError } from 'commander';
import { TargetFault } from '../object-store.ts';
import type { ObjectReader } from '../s3/object-reader.ts';
import { type CliIo, EXIT_CODE_UNKNOWN, EXIT_CODE_USAGE, type RegisterCommand } from './cli-io.ts';
import { describeFault } from './fault-text.ts';
import { hashesInBucket, hashesOfLines } from './hash-source.ts';
import { addHash } from './image-hashes.ts';
import { type OpenArchive, openArchive } from './open-archive.ts';
import type { Finding } from './object-check.ts';
import { formatTally, tallyVerdict, verifyMany } from './verify-many.ts';
import { type CheckedPair, isOutOfReach, verdictOf, verifyBucket, verifyPair, worst } from './verify-pair.ts';
import { createVerifyProgress } from './verify-progress.ts';
import {
  formatVerification,
  overallVerdict,
  verificationFacts,
  VERIFY_EXIT_CODES,
  type Verification,
} from './verify-report.ts';

interface VerifyFlags {
  readonly json?: boolean;
  readonly deep?: boolean;
  readonly stdin?: boolean;
  readonly prefix?: boolean;
  readonly concurrency: number;
}

const DEFAULT_CONCURRENCY = 8;
const MAX_CONCURRENCY = 32;

const HELP = `
Hashes given as arguments are always looked at deeply. With --stdin or --prefix any number is, one HEAD and one
request without credentials per object; only what is not good is printed, with --json one object per line, and the
last line sums up. --prefix needs s3:ListBucket.

Exit codes: 0 all good, 1 something is bad, 2 something could not be checked or there was nothing to check,
64 wrong usage, 78 wrong configuration.`;

export const registerVerify: RegisterCommand = (program, io, finish) => {
  program
    .command('verify')
    .description('Checks that pairs are complete, correct and private.')
    .argument('[hash...]', 'image hashes', addHash)
    .option('--stdin', 'read hashes from standard input, one per line')
    .option('--prefix', 'every pair under S3_PREFIX')
    .option('--deep', 'download every object: hash of the image, consistency of the record, ACLs')
    .option('--concurrency <n>', 'pairs looked at beside each other', readConcurrency, DEFAULT_CONCURRENCY)
    .option('--json', 'print JSON instead of lines')
    .addHelpText('after', HELP)
    .action(async (hashes: readonly string[], flags: VerifyFlags, command: Command) => {
      const sources = [hashes.length > 0, flags.stdin, flags.prefix].filter(Boolean);
      if (sources.length !== 1) {
        const message = 'give image hashes, or --stdin, or --prefix';
        command.error(`error: ${message}`, { exitCode: EXIT_CODE_USAGE });
      }
      finish(await verify(hashes, flags, io));
    });
};

function readConcurrency(text: string): number {
  const number = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= MAX_CONCURRENCY) return number;
  throw new InvalidArgumentError(`expected a whole number from 1 to ${MAX_CONCURRENCY}.`);
}

/** Returns the exit code. */
async function verify(hashes: readonly string[], flags: VerifyFlags, io: CliIo): Promise<number> {
  const archive = openArchive(io);
  const { config, store } = archive;
  try {
    const bucketFindings = await verifyBucket(store.reader, io.signal);
    const many = flags.stdin === true || flags.prefix === true;
    if (many && !isOutOfReach(bucketFindings)) return await sweep(archive, bucketFindings, flags, io);
    const pairs = isOutOfReach(bucketFindings)
      ? []
      : await verifyPairs(store.reader, config.prefix, hashes, flags.concurrency, io.signal);
    const verification: Verification = { bucket: config.bucket, bucketFindings, pairs };
    io.stdout.write(
      flags.json ? `${JSON.stringify(verificationFacts(verification))}\n` : formatVerification(verification),
    );
    return VERIFY_EXIT_CODES[overallVerdict(verification)];
  } catch (error) {
    if (!(error instanceof TargetFault)) throw error;
    io.stderr.write(`${describeFault(error)}\n`);
    return EXIT_CODE_UNKNOWN;
  } finally {
    await store.close();
  }
}

async function sweep(
  { config, store }: OpenArchive,
  bucketFindings: readonly Finding[],
  { prefix: wholePrefix = false, deep = false, json = false, concurrency }: VerifyFlags,
  io: CliIo,
): Promise<number> {
  const { bucket, prefix } = config;
  if (!json) io.stdout.write(formatVerification({ bucket, bucketFindings, pairs: [] }));
  const hashes = wholePrefix ? hashesInBucket(store.reader, prefix, io.signal) : hashesOfLines(io.stdin);
  const progress = createVerifyProgress(io.stderr, wholePrefix);
  const options = { bucket, prefix, depth: deep ? 'deep' : 'shallow', concurrency, json } as const;
  const tally = await verifyMany(store.reader, hashes, options, progress, io).finally(() => progress.stop());
  const verdict = worst([verdictOf(bucketFindings), tallyVerdict(tally)]);
  const { good, bad, unchecked } = tally.counts;
  const facts = {
    verdict,
    bucket: { name: bucket, verdict: verdictOf(bucketFindings), findings: bucketFindings },
    pairs: { good, bad, unchecked },
    gave_up: tally.gaveUp,
  };
  io.stdout.write(json ? `${JSON.stringify(facts)}\n` : formatTally(tally));
  // A wrong prefix must not look like an archive that is all good.
  if (good + bad + unchecked === 0) {
    io.stderr.write(`nothing to check under s3://${bucket}/${prefix}: check S3_BUCKET and S3_PREFIX\n`);
    return EXIT_CODE_UNKNOWN;
  }
  return VERIFY_EXIT_CODES[verdict];
}

/** In the order of `hashes`. */
async function verifyPairs(
  reader: ObjectReader,
  prefix: string,
  hashes: readonly string[],
  concurrency: number,
  signal: AbortSignal,
): Promise<CheckedPair[]> {
  const pairs: CheckedPair[] = [];
  const waiting = hashes.entries();
  const work = async (): Promise<void> => {
    for (const [at, hash] of waiting) pairs[at] = await verifyPair(reader, prefix, hash, signal);
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return pairs;
}
