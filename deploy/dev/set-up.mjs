#!/usr/bin/env node
/**
 * Makes a fresh clone runnable; every npm command of ours starts with it. Plain JavaScript on Node's builtins
 * alone, because it runs before any package is installed. Each step is skipped in milliseconds when it is done,
 * and then prints nothing; what it prints goes to standard error, so that a command's own output stays clean.
 *
 *   node deploy/dev/set-up.mjs                packages, build, nats-server
 *   node deploy/dev/set-up.mjs --no-nats      packages, build
 *   node deploy/dev/set-up.mjs --build-only   build
 */
import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, isBuilt } from './set-up/build.mjs';
import { Interrupted, StepFailure } from './set-up/command.mjs';
import { acquireLock } from './set-up/lock.mjs';
import { findNatsServer, installNatsServer } from './set-up/nats-server.mjs';
import { adoptPackages, arePackagesInstalled, installPackages } from './set-up/packages.mjs';

export { BUILD_ASSETS } from './set-up/build.mjs';
export { findNatsServer } from './set-up/nats-server.mjs';

/** The oldest Node.js that works, as in package.json: undici 7's floor. */
const OLDEST_NODE = [20, 18, 1];
const FLAGS = ['--no-nats', '--build-only'];

/**
 * Runs the steps that are not done yet.
 * @param {string} root Folder of the repository.
 * @param {{ nats?: boolean, packages?: boolean }} wanted Steps to leave out are false.
 * @throws {StepFailure} when a step cannot be done.
 */
export async function setUp(root, wanted = {}) {
  const steps = [
    ...(wanted.packages === false ? [] : [packagesStep(root)]),
    buildStep(root),
    ...(wanted.nats === false ? [] : [natsServerStep(root)]),
  ];
  if (steps.every((step) => step.isDone())) return;
  const release = await acquireLock(join(root, '.sekai', 'set-up.lock'), say);
  try {
    // Asked again under the lock: another set-up may have done it meanwhile, and a step can undo the next.
    for (const step of steps) if (!step.isDone()) await timed(step);
  } finally {
    release();
  }
}

const packagesStep = (root) => ({
  title: 'installing packages (npm ci)',
  isDone: () => arePackagesInstalled(root) || adoptPackages(root),
  run: () => installPackages(root),
});

const buildStep = (root) => ({
  title: 'building (tsc)',
  isDone: () => isBuilt(root),
  run: () => build(root),
});

const natsServerStep = (root) => ({
  title: 'installing nats-server',
  isDone: () => findNatsServer(root) !== undefined,
  run: () => installNatsServer(root),
});

/** A step's `run` may return a word about how it was done. */
async function timed(step) {
  const start = performance.now();
  process.stderr.write(`set-up: ${step.title} … `);
  try {
    const how = await step.run();
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    process.stderr.write(`${how === undefined ? '' : `${how}, `}${seconds} s\n`);
  } catch (error) {
    process.stderr.write('failed\n');
    throw error;
  }
}

function say(line) {
  process.stderr.write(`set-up: ${line}\n`);
}

/** What is wrong with this Node.js, or undefined. */
export function nodeFault(version) {
  const parts = version.replace(/^v/, '').split('.').map(Number);
  const at = OLDEST_NODE.findIndex((part, index) => part !== parts[index]);
  if (at === -1 || parts[at] > OLDEST_NODE[at]) return undefined;
  return (
    `Node.js ${OLDEST_NODE.join('.')} or newer is needed, this is ${version} (${process.execPath}).\n` +
    'Install a newer one from https://nodejs.org, or with a version manager: nvm install && nvm use'
  );
}

/** Returns the exit code. */
async function main(flags) {
  const fault = nodeFault(process.version);
  if (fault !== undefined) {
    say(fault);
    return 1;
  }
  const unknown = flags.filter((flag) => !FLAGS.includes(flag));
  if (unknown.length > 0) {
    say(`unknown option ${unknown.join(' ')}; known are ${FLAGS.join(' and ')}`);
    return 64;
  }
  const buildOnly = flags.includes('--build-only');
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  try {
    await setUp(root, { packages: !buildOnly, nats: !buildOnly && !flags.includes('--no-nats') });
    return 0;
  } catch (error) {
    say(error instanceof StepFailure ? error.message : String(error.stack));
    return error instanceof Interrupted ? 130 : 1;
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2));
}
