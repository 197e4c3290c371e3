import type { KeptLetter } from '../operator-queue.ts';
import { type Replay, replayLetter } from '../replay-letter.ts';
import { type CliIo, EXIT_CODE_USAGE, type RegisterCommand } from './cli-io.ts';
import { withQueue } from './open-queue.ts';
import { printable } from './printable.ts';
import { addId, ID_HELP, readSelected, selectLetters } from './select-letters.ts';

export const registerReplay: RegisterCommand = (group, io, finish) => {
  group
    .command('replay')
    .description('Queues dead letters again, once what they failed for has been put right.')
    .argument('[id...]', 'dead letters', addId)
    .option('--all', 'every dead letter there is now')
    .addHelpText('after', `\n${ID_HELP} One that is archived by now is dropped.`)
    .action(async (ids: readonly string[] = [], { all = false }: { readonly all?: boolean }) => {
      if (all === ids.length > 0) {
        io.stderr.write('error: name dead letters, or --all\n');
        finish(EXIT_CODE_USAGE);
      } else finish(await replay(all ? 'all' : ids, io));
    });
};

function replay(ids: readonly string[] | 'all', io: CliIo): Promise<number> {
  return withQueue(io, async (queue) => {
    const { letters, complete } = await selectLetters(queue, ids, io);
    let allDone = complete;
    for await (const letter of readSelected(queue, letters, io.signal)) {
      const name = `${printable(letter.imageHash)}.${printable(letter.handoffId)}`;
      const onWait = (): void =>
        void io.stderr.write(`${name}: NATS remembers its id for two minutes, waiting\n`);
      const result = await replayLetter(queue, letter, io.signal, onWait);
      io.stdout.write(`${name}: ${describe(result, letter)}\n`);
      allDone &&= result.outcome === 'queued' || result.outcome === 'archived';
    }
    if (letters.length === 0 && ids === 'all') io.stdout.write('no dead letters\n');
    return allDone ? 0 : 1;
  });
}

function describe(result: Replay, { chunkIndexes }: KeptLetter): string {
  switch (result.outcome) {
    case 'queued': {
      if (result.missingChunks === 0) return 'queued again';
      const has = `${result.missingChunks} of ${result.missingChunks + chunkIndexes.length} chunks are missing`;
      return `queued again, but ${has}: it comes back unless its pair is in the bucket`;
    }
    case 'archived':
      return 'archived already, dead letter dropped';
    case 'occupied':
      return 'NOT replayed: another hand-off of this image is queued; try again when it is done';
    case 'nameless':
      return 'NOT replayed: it was published under no image hash, so it can only be dropped';
    case 'remembered':
      return 'NOT replayed: NATS still takes it for a repetition; try again later';
  }
}
