import type { KeptLetter } from '../operator-queue.ts';
import { addId, ID_HELP, readSelected, selectLetters } from './select-letters.ts';
import type { CliIo, RegisterCommand } from './cli-io.ts';
import { parseJson } from './input-record.ts';
import { eventFacts, formatFacts, letterFacts, recordOf } from './letter-facts.ts';
import { withQueue } from './open-queue.ts';
import { printable } from './printable.ts';

interface ShowFlags {
  readonly json?: boolean;
  readonly record?: boolean;
}

export const registerShow: RegisterCommand = (group, io, finish) => {
  group
    .command('show')
    .description('Shows dead letters without the prompt.')
    .argument('<id...>', 'dead letters', addId)
    .option('--json', 'print one JSON object per line')
    .option('--record', 'print the input record instead, prompt included, as it is')
    .addHelpText('after', `\n${ID_HELP}`)
    .action(async (ids: readonly string[], flags: ShowFlags) => finish(await show(ids, flags, io)));
};

function show(ids: readonly string[], flags: ShowFlags, io: CliIo): Promise<number> {
  return withQueue(io, async (queue) => {
    const { letters, complete } = await selectLetters(queue, ids, io);
    let allShown = complete;
    for await (const letter of readSelected(queue, letters, io.signal)) {
      if (flags.record) allShown = printRecord(letter, io) && allShown;
      else io.stdout.write(describe(letter, flags.json ?? false));
    }
    return allShown ? 0 : 1;
  });
}

function describe(letter: KeptLetter, json: boolean): string {
  const facts = { ...letterFacts(letter, Date.now()), event: eventFacts(letter) };
  return json ? `${JSON.stringify(facts)}\n` : `${formatFacts(facts)}\n`;
}

function printRecord(letter: KeptLetter, { stdout, stderr }: CliIo): boolean {
  const record = recordOf(letter);
  // What is no JSON may hold anything, also what a terminal obeys.
  if (record === undefined || parseJson(record) === undefined) {
    stderr.write(`${printable(letter.handoffId)}: it has no record that is JSON\n`);
    return false;
  }
  stdout.write(`${Buffer.from(record).toString('utf8')}\n`);
  return true;
}
