import { agreed } from './agreed.ts';
import type { CliIo, RegisterCommand } from './cli-io.ts';
import { withQueue } from './open-queue.ts';
import { printable } from './printable.ts';
import { addId, ID_HELP, type LetterName, readSelected, selectLetters } from './select-letters.ts';

export const registerDrop: RegisterCommand = (group, io, finish) => {
  group
    .command('drop')
    .description('Removes dead letters for good, with the chunks kept with them.')
    .argument('<id...>', 'dead letters', addId)
    .option('--yes', 'do not ask')
    .addHelpText('after', `\n${ID_HELP} Queue and bucket stay as they are.`)
    .action(async (ids: readonly string[], { yes = false }: { readonly yes?: boolean }) =>
      finish(await drop(ids, yes, io)),
    );
};

function drop(ids: readonly string[], yes: boolean, io: CliIo): Promise<number> {
  return withQueue(io, async (queue) => {
    const { letters, complete } = await selectLetters(queue, ids, io);
    if (letters.length === 0) return 1;
    const plan = letters.map((letter) => `  ${nameOf(letter)}  ${printable(letter.reason)}\n`).join('');
    const question = `Drop ${letters.length} dead letter(s)? Their images may be nowhere else.`;
    if (!(await agreed(io, yes, plan, question))) return 1;
    for await (const letter of readSelected(queue, letters, io.signal)) {
      await queue.drop(letter);
      io.stdout.write(`${nameOf(letter)}: dropped\n`);
    }
    return complete ? 0 : 1;
  });
}

const nameOf = ({ imageHash, handoffId }: LetterName): string =>
  `${printable(imageHash)}.${printable(handoffId)}`;
