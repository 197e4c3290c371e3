/** Step: node_modules as package-lock.json has it. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { environmentWithHome, run } from './command.mjs';

const stampFile = (root) => join(root, 'node_modules', '.sekai-stamp');

/** What was installed, and for which machine: a folder shared with a container has other native packages. */
function stampFor(root) {
  const lock = readFileSync(join(root, 'package-lock.json'));
  return `${createHash('sha256').update(lock).digest('hex')} ${process.platform}-${process.arch}`;
}

/** @param {string} root */
export function arePackagesInstalled(root) {
  try {
    return readFileSync(stampFile(root), 'utf8') === stampFor(root);
  } catch {
    return false;
  }
}

/**
 * Accepts what `npm install` has put there: npm's own list of node_modules agrees with the lock file.
 * @param {string} root
 * @returns {boolean} Whether it did.
 */
export function adoptPackages(root) {
  // A stamp that disagrees is ours, of an older lock or another machine: not for adoption.
  if (existsSync(stampFile(root))) return false;
  try {
    const wanted = readPackages(join(root, 'package-lock.json'));
    const found = readPackages(join(root, 'node_modules', '.package-lock.json'));
    const complete = Object.entries(wanted).every(([path, entry]) => {
      if (path === '' || (entry.optional && found[path] === undefined)) return true;
      return found[path]?.version === entry.version && found[path]?.integrity === entry.integrity;
    });
    if (complete) writeFileSync(stampFile(root), stampFor(root));
    return complete;
  } catch {
    return false;
  }
}

const readPackages = (file) => JSON.parse(readFileSync(file, 'utf8')).packages;

/** @param {string} root */
export async function installPackages(root) {
  // The build needs the development packages, also where NODE_ENV=production or `omit=dev` is set.
  const args = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
  const options = { cwd: root, env: environmentWithHome(root) };
  const npm = process.env.npm_execpath;
  // Under `npm run`, the npm that runs us; it may not be on PATH.
  if (npm?.endsWith('npm-cli.js') && existsSync(npm)) await run(process.execPath, [npm, ...args], options);
  else await run('npm', args, options);
  writeFileSync(stampFile(root), stampFor(root));
}
