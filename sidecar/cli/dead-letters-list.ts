import type { KeptLetter } from '../operator-queue.ts';
import type { CliIo, RegisterCommand } from './cli-io.ts';
import { letterFacts } from './letter-facts.ts';
import { withQueue } from './open-queue.ts';
import { formatAge, printable } from './printable.ts';

export const registerList: RegisterCommand = (group, io, finish) => {
  group
    .command('list')
    .description('Lists the dead letters, oldest first.')
    .option('--json', 'print one JSON object per line')
    .action(async ({ json = false }: { readonly json?: boolean }) => finish(await list(json, io)));
};

function list(json: boolean, io: CliIo): Promise<number> {
  return withQueue(io, async (queue) => {
    let count = 0;
    for await (const letter of queue.letters(io.signal)) {
      const now = Date.now();
      if (json) io.stdout.write(`${JSON.stringify(letterFacts(letter, now))}\n`);
      else io.stdout.write(`${count === 0 ? HEADING : ''}${formatRow(letter, now)}`);
      count += 1;
    }
    if (count === 0 && !json) io.stdout.write('no dead letters\n');
    return 0;
  });
}

const row = (cells: readonly string[]): string => {
  const [id = '', reason = '', age = '', size = '', hash = '', detail = ''] = cells;
  return `${id.padEnd(36)}  ${reason.padEnd(19)}  ${age.padStart(7)}  ${size.padStart(18)}  ${hash.padEnd(64)}  ${detail}\n`;
};

const HEADING = row(['ID', 'REASON', 'AGE', 'BYTES', 'HASH', 'DETAIL']);

function formatRow({ handoffId, imageHash, reason, detail, ...letter }: KeptLetter, now: number): string {
  const chunks = letter.chunkIndexes.length === 0 ? '' : ` +${letter.chunkIndexes.length} chunks`;
  return row([
    printable(handoffId),
    printable(reason),
    formatAge(now - letter.buriedAt.getTime()),
    `${letter.payload.length}${chunks}`,
    printable(imageHash),
    printable(detail),
  ]);
}
