/** A package of Debian or Ubuntu, unpacked instead of installed: that needs no root, and starts no system service. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Interrupted, run, StepFailure } from './command.mjs';

/**
 * Only refreshing the package lists, when they are empty or too old, needs root.
 * @param {string} name
 * @param {string} scratch An empty folder.
 * @returns {Promise<string>} The folder that holds the package's tree.
 * @throws {StepFailure} when apt has no such package, or no way to get it.
 */
export async function unpackDebianPackage(name, scratch) {
  await run('apt-get', ['download', name], { cwd: scratch }).catch(async (error) => {
    if (error instanceof Interrupted) throw error;
    const rootPrefix = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
    const [command, ...args] = [...rootPrefix, 'apt-get', 'update'];
    await run(command, args, { cwd: scratch });
    await run('apt-get', ['download', name], { cwd: scratch });
  });
  const archive = readdirSync(scratch).find((file) => file.endsWith('.deb'));
  if (archive === undefined) throw new StepFailure('apt-get download left no .deb file');
  await run('dpkg-deb', ['-x', archive, 'unpacked'], { cwd: scratch });
  return join(scratch, 'unpacked');
}
