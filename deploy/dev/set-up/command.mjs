/** Runs a command with its output kept back, and shows the output's end only when it fails. */
import { spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** Lines of a failed command's output that its error shows. */
const FIRST_LINES = 10;
const LAST_LINES = 15;
const KEPT_CHARACTERS = 64 * 1024;
const SIGNALS = ['SIGINT', 'SIGTERM'];

/** A step cannot be done; the message is for a person and complete. */
export class StepFailure extends Error {
  name = 'StepFailure';
}

/** A signal came: nothing else is to be tried. */
export class Interrupted extends StepFailure {
  name = 'Interrupted';
}

/**
 * Runs `command` to its end. SIGINT and SIGTERM are passed on to it.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv }} options
 * @returns {Promise<void>}
 * @throws {StepFailure} with the command, why it failed and its last lines.
 * @throws {Interrupted} when a signal came.
 */
export function run(command, args, { cwd, env = process.env }) {
  return new Promise((resolve, reject) => {
    let output = '';
    const keep = (data) => {
      output = (output + data).slice(-KEPT_CHARACTERS);
    };
    // npm and brew are scripts, which Windows starts only through a shell.
    const shell = process.platform === 'win32' && !command.includes('\\');
    const child = spawn(command, args, { cwd, env, shell, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    let interruption;
    const onSignal = (signal) => {
      interruption = signal;
      child.kill(signal);
    };
    for (const signal of SIGNALS) process.on(signal, onSignal);
    const forget = () => SIGNALS.forEach((signal) => process.removeListener(signal, onSignal));
    const fail = (reason) => reject(new StepFailure(failureText([command, ...args], reason, output)));
    child.once('error', (error) => {
      forget();
      fail(error.message);
    });
    child.once('close', (code, signal) => {
      forget();
      if (interruption !== undefined) reject(new Interrupted(`stopped by ${interruption}`));
      else if (code === 0) resolve();
      else fail(signal === null ? `exit code ${code}` : `ended by ${signal}`);
    });
  });
}

function failureText(words, reason, output) {
  const lines = output
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '');
  const hidden = lines.length - FIRST_LINES - LAST_LINES;
  // npm names the cause first and then explains itself at length; compilers and go name it last.
  const shown =
    hidden > 0
      ? [...lines.slice(0, FIRST_LINES), `… ${hidden} more lines …`, ...lines.slice(-LAST_LINES)]
      : lines;
  return [`${words.join(' ')}: ${reason}`, ...shown.map((line) => `  ${line}`)].join('\n');
}

/**
 * The environment for npm and go, which both keep caches in the home folder: where there is no home folder to
 * write in (HOME unset, or /nonexistent as containers have it), one under .sekai takes its place.
 * @param {string} root
 * @returns {NodeJS.ProcessEnv}
 */
export function environmentWithHome(root) {
  const home = process.platform === 'win32' ? process.env.USERPROFILE : process.env.HOME;
  if (home && isWritableFolder(home)) return process.env;
  const substitute = join(root, '.sekai', 'home');
  mkdirSync(substitute, { recursive: true });
  // Without -modcacherw, go's module cache is read-only and .sekai could not be deleted with rm -r.
  const goFlags = [process.env.GOFLAGS, '-modcacherw'].filter(Boolean).join(' ');
  return { ...process.env, HOME: substitute, USERPROFILE: substitute, GOFLAGS: goFlags };
}

function isWritableFolder(path) {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
