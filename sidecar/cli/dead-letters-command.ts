/** `sekai-archive dead-letters`: events that can never succeed as they are. One file per subcommand. */
import type { RegisterCommand } from './cli-io.ts';
import { registerDrop } from './dead-letters-drop.ts';
import { registerList } from './dead-letters-list.ts';
import { registerReplay } from './dead-letters-replay.ts';
import { registerShow } from './dead-letters-show.ts';

const EXIT_CODES =
  '\nExit codes: 0 done, 1 something could not be done, 2 NATS could not be asked, 64 wrong usage, 78 wrong configuration.\n' +
  'Configured by NATS_URL. What each reason means and what to do about it: deploy/runbook.md.';

export const registerDeadLetters: RegisterCommand = (program, io, finish) => {
  const group = program
    .command('dead-letters')
    .description('Events that can never succeed as they are, kept until an operator decides.')
    .addHelpText('after', EXIT_CODES);
  for (const register of [registerList, registerShow, registerReplay, registerDrop]) {
    register(group, io, finish);
  }
  for (const command of group.commands) command.addHelpText('after', EXIT_CODES);
};
