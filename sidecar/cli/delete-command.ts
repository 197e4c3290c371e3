/** `sekai-archive delete`: takes pairs out of the archive, for what a person asks to be forgotten. */
import { InvalidArgumentError, Option } from 'commander';
import {
  deletePair,
  type DeletePairParts,
  type Deletion,
  findTraces,
  type QueuedPolicy,
  type Traces,
} from '../delete-pair.ts';
import { TargetFault } from '../object-store.ts';
import { agreed } from './agreed.ts';
import { type CliIo, EXIT_CODE_UNKNOWN, type RegisterCommand } from './cli-io.ts';
import { describeFault } from './fault-text.ts';
import { addHash } from './image-hashes.ts';
import { openArchive } from './open-archive.ts';
import { withQueue } from './open-queue.ts';

interface DeleteFlags {
  readonly yes?: boolean;
  /** Seconds. */
  readonly wait?: number;
  readonly purgeQueued?: boolean;
}

const DEFAULT_WAIT_SECONDS = 600;

const HELP = `
Removes the entry in the index, the record, the image and the dead letters of each hash, in this order, and looks
whether they are gone. Repeat it after an interruption. Needs s3:DeleteObject, and s3:ListBucket to be sure.
A queued event of the image would archive it again: wait for it, or purge it. Spools of services are out of reach.

Exit codes: 0 gone, 1 something is left, 2 something could not be checked, 64 wrong usage, 78 wrong configuration.`;

export const registerDelete: RegisterCommand = (program, io, finish) => {
  program
    .command('delete')
    .description('Removes pairs for good: image, record, entry in the index and dead letters.')
    .argument('<hash...>', 'image hashes', addHash)
    .option('--yes', 'do not ask')
    .addOption(
      new Option('--wait [seconds]', 'wait for a queued event of the image')
        .argParser(readSeconds)
        .preset(DEFAULT_WAIT_SECONDS)
        .conflicts('purgeQueued'),
    )
    .option('--purge-queued', 'remove a queued event of the image, and its chunks')
    .addHelpText('after', HELP)
    .action(async (hashes: readonly string[], flags: DeleteFlags) => finish(await run(hashes, flags, io)));
};

function readSeconds(text: string | number): number {
  const seconds = Number(text);
  if (Number.isSafeInteger(seconds) && seconds >= 1 && seconds <= 86_400) return seconds;
  throw new InvalidArgumentError('expected seconds, from 1 to 86400.');
}

async function run(hashes: readonly string[], flags: DeleteFlags, io: CliIo): Promise<number> {
  const { config, store } = openArchive(io);
  try {
    return await withQueue(io, (queue) =>
      deleteAll({ queue, bucket: store, prefix: config.prefix }, hashes, flags, io),
    );
  } finally {
    await store.close();
  }
}

async function deleteAll(
  parts: DeletePairParts,
  hashes: readonly string[],
  flags: DeleteFlags,
  io: CliIo,
): Promise<number> {
  const found: string[] = [];
  let plan = '';
  for (const hash of hashes) {
    const traces = await findTraces(parts, hash, io.signal);
    if (isNothing(traces)) io.stdout.write(`${hash}: not in the archive, nothing to do\n`);
    else found.push(hash);
    plan += `  ${hash}: ${describeTraces(traces)}\n`;
  }
  if (found.length === 0) return 0;
  if (!(await agreed(io, flags.yes ?? false, plan, `Delete ${found.length} image(s) for good?`))) return 1;
  let exitCode = 0;
  for (const hash of found) {
    const result = await deleteOne(parts, hash, flags, io);
    // 1, something is left, says more than 2.
    exitCode = exitCode === 1 || result === 1 ? 1 : Math.max(exitCode, result);
  }
  return exitCode;
}

async function deleteOne(
  parts: DeletePairParts,
  hash: string,
  { wait, purgeQueued }: DeleteFlags,
  { signal, stdout, stderr }: CliIo,
): Promise<number> {
  const policy: QueuedPolicy = purgeQueued ? 'purge' : wait === undefined ? 'refuse' : 'wait';
  try {
    const deletion = await deletePair(parts, hash, policy, (wait ?? 0) * 1000, signal);
    const [exitCode, text] = describe(deletion, policy);
    (exitCode === 0 ? stdout : stderr).write(`${hash}: ${text}\n`);
    if (deletion.outcome === 'deleted' && deletion.mayReturn) {
      stderr.write(
        `${hash}: an archiver may have held the purged event: repeat this in a minute to be sure\n`,
      );
    }
    return exitCode;
  } catch (error) {
    if (!(error instanceof TargetFault)) throw error;
    stderr.write(`${hash}: NOT deleted: ${describeFault(error)}\n`);
    return 1;
  }
}

function describe({ outcome }: Deletion, policy: QueuedPolicy): readonly [exitCode: number, text: string] {
  switch (outcome) {
    case 'deleted':
      return [0, 'deleted'];
    case 'queued':
      return [
        1,
        policy === 'wait'
          ? 'NOT deleted: its event is still queued, which would archive it again; see why, or use --purge-queued'
          : 'NOT deleted: an event of it is queued, which would archive it again; use --wait or --purge-queued',
      ];
    case 'versions-kept':
      return [
        1,
        'hidden, NOT deleted: the bucket keeps versions; remove the versions of both keys, or expire them by a lifecycle rule',
      ];
    case 'unverified':
      return [
        EXIT_CODE_UNKNOWN,
        'removed, but the store does not say whether it is gone: grant s3:ListBucket',
      ];
    case 'returned':
      return [1, 'NOT deleted: it is archived again and again; stop who publishes it, then repeat'];
  }
}

const isNothing = ({ queued, indexed, letters, image, record }: Traces): boolean =>
  !queued && !indexed && letters === 0 && image === 'absent' && record === 'absent';

function describeTraces({ queued, indexed, letters, image, record }: Traces): string {
  const parts = [
    `image ${image}`,
    `record ${record}`,
    indexed ? 'in the index' : 'not in the index',
    ...(letters === 0 ? [] : [`${letters} dead letter(s)`]),
    ...(queued ? ['an event is queued'] : []),
  ];
  return parts.join(', ');
}
