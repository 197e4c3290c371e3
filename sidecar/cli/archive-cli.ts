/** sekai-archive: the archive as an operator sees it. One file per command. */
import { Command, CommanderError } from 'commander';
import { ConfigError, EXIT_CODE_CONFIG } from '../../services/runtime/environment.ts';
import { QueueAccessError } from '../operator-queue.ts';
import {
  type CliIo,
  EXIT_CODE_INTERRUPTED,
  EXIT_CODE_UNKNOWN,
  EXIT_CODE_USAGE,
  type RegisterCommand,
  UsageError,
} from './cli-io.ts';
import { registerContactSheet } from './contact-sheet/contact-sheet-command.ts';
import { registerDeadLetters } from './dead-letters-command.ts';
import { registerDelete } from './delete-command.ts';
import { registerDoctor } from './doctor/doctor-command.ts';
import { describeFault } from './fault-text.ts';
import { registerUpload } from './upload-command.ts';
import { registerVerify } from './verify-command.ts';

const COMMANDS: readonly RegisterCommand[] = [
  registerVerify,
  registerUpload,
  registerDeadLetters,
  registerDelete,
  registerDoctor,
  registerContactSheet,
];

/** Runs the program with its arguments (without node and script); returns the exit code, never throws. */
export async function runArchiveCli(args: readonly string[], io: CliIo): Promise<number> {
  let exitCode = 0;
  const program = new Command('sekai-archive')
    .description('Looks after the archive of images. Configured by the same variables as the archiver.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
    });
  // Commands inherit exitOverride and configureOutput at the time they are added.
  for (const register of COMMANDS) register(program, io, (code) => (exitCode = code));
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_CODE_USAGE;
    if (io.signal.aborted) return EXIT_CODE_INTERRUPTED;
    io.stderr.write(`${describeFault(error)}\n`);
    if (error instanceof UsageError) return EXIT_CODE_USAGE;
    if (error instanceof QueueAccessError) return EXIT_CODE_UNKNOWN;
    return error instanceof ConfigError ? EXIT_CODE_CONFIG : 1;
  }
}
