/** `sekai-archive verify`: proves that pairs are in the bucket, whole and private. */
import type { ObjectReader } from '../s3/object-reader.ts';
import type { CliIo, RegisterCommand } from './cli-io.ts';
import { addHash } from './image-hashes.ts';
import { openArchive } from './open-archive.ts';
import { type CheckedPair, NO_BUCKET, verifyBucket, verifyPair } from './verify-pair.ts';
import {
  formatVerification,
  overallVerdict,
  verificationFacts,
  VERIFY_EXIT_CODES,
  type Verification,
} from './verify-report.ts';

/** Pairs looked at beside each other. */
const CONCURRENCY = 4;

export const registerVerify: RegisterCommand = (program, io, finish) => {
  program
    .command('verify')
    .description('Downloads pairs and checks that they are complete, correct and private.')
    .argument('<hash...>', 'image hashes', addHash)
    .option('--json', 'print one JSON object instead of lines')
    .option('--deep', 'download and hash every object; always done')
    .addHelpText(
      'after',
      '\nExit codes: 0 all good, 1 something is bad, 2 something could not be checked, 64 wrong usage, 78 wrong configuration.',
    )
    .action(async (hashes: readonly string[], { json }: { readonly json?: boolean }) => {
      const verification = await verify(hashes, io);
      io.stdout.write(
        json ? `${JSON.stringify(verificationFacts(verification))}\n` : formatVerification(verification),
      );
      finish(VERIFY_EXIT_CODES[overallVerdict(verification)]);
    });
};

async function verify(hashes: readonly string[], io: CliIo): Promise<Verification> {
  const { config, store } = openArchive(io);
  try {
    const bucketFindings = await verifyBucket(store.reader, io.signal);
    const pairs = bucketFindings.includes(NO_BUCKET)
      ? []
      : await verifyPairs(store.reader, config.prefix, hashes, io.signal);
    return { bucket: config.bucket, bucketFindings, pairs };
  } finally {
    await store.close();
  }
}

/** In the order of `hashes`. */
async function verifyPairs(
  reader: ObjectReader,
  prefix: string,
  hashes: readonly string[],
  signal: AbortSignal,
): Promise<CheckedPair[]> {
  const pairs: CheckedPair[] = [];
  const waiting = hashes.entries();
  const work = async (): Promise<void> => {
    for (const [at, hash] of waiting) pairs[at] = await verifyPair(reader, prefix, hash, signal);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  return pairs;
}
