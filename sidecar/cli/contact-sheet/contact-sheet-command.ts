/** `sekai-archive contact-sheet`: one picture of the latest images, because people would rather look than read. */
import { InvalidArgumentError } from 'commander';
import type { RegisterCommand } from '../cli-io.ts';
import type { SheetFlags } from './make-sheet.ts';
import { readSince } from './since.ts';

const MAX_LIMIT = 200;

const HELP = `
Reads the list of the bucket and the pairs on the sheet, and nothing else. The file can be read by its owner alone.
Prompts in Chinese, Japanese or Korean need a font with their letters on this machine, such as fonts-noto-cjk.

Exit codes: 0 written, 1 no image in that time, or no file, 2 the bucket could not be read, 64 wrong usage,
78 wrong configuration.`;

export const registerContactSheet: RegisterCommand = (program, io, finish) => {
  program
    .command('contact-sheet')
    .description('Makes one picture of the latest archived images with their prompts.')
    .requiredOption('--since <age>', 'how far back, such as 90m, 24h or 7d', readSince)
    .option('--limit <n>', `images on the sheet, at most ${MAX_LIMIT}`, readLimit, 60)
    .option('--out <file>', 'where to put it', 'contact-sheet.jpg')
    .addHelpText('after', HELP)
    .action(async (flags: SheetFlags) => {
      // Only now: the image library takes longer to load than all other commands together.
      const { makeSheet } = await import('./make-sheet.ts');
      finish(await makeSheet(flags, io));
    });
};

function readLimit(text: string): number {
  const number = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= MAX_LIMIT) return number;
  throw new InvalidArgumentError(`expected a whole number from 1 to ${MAX_LIMIT}.`);
}
