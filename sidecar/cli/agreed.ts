import type { CliIo } from './cli-io.ts';

/** Whether the user wants what cannot be undone: told by `--yes`, or asked after being shown `plan`. */
export async function agreed(
  { stderr, confirm }: CliIo,
  yes: boolean,
  plan: string,
  question: string,
): Promise<boolean> {
  if (yes) return true;
  stderr.write(plan);
  if (confirm === undefined) {
    stderr.write('nothing done: nobody is there to be asked, and there is no --yes\n');
    return false;
  }
  if (await confirm(question)) return true;
  stderr.write('nothing done\n');
  return false;
}
