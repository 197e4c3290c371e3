/** Step: a nats-server to run, found or installed under .sekai/bin; nothing outside the clone is changed. */
import { copyFileSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { environmentWithHome, Interrupted, run, StepFailure } from './command.mjs';
import { unpackDebianPackage } from './debian-package.mjs';
import { isExecutable, isOnPath } from './executable.mjs';

/** Built with Go 1.26.8 on 22 Nov 2026. */
const GO_PACKAGE = 'github.com/nats-io/nats-server/v2@v2.12.15';
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/bin', '/opt/homebrew/bin'];
const EXECUTABLE = process.platform === 'win32' ? 'nats-server.exe' : 'nats-server';

/**
 * Looks for the executable: NATS_SERVER_BIN, PATH, the usual folders, then `.sekai/bin` of the clone.
 * @param {string} root Folder of the repository.
 * @param {Readonly<Record<string, string | undefined>>} environment
 * @param {readonly string[]} systemFolders
 * @returns {string | undefined}
 * @throws {StepFailure} when NATS_SERVER_BIN names something that cannot be run.
 */
export function findNatsServer(root, environment = process.env, systemFolders = SYSTEM_FOLDERS) {
  const named = environment.NATS_SERVER_BIN;
  if (named) {
    if (isExecutable(resolve(root, named))) return resolve(root, named);
    throw new StepFailure(`NATS_SERVER_BIN=${named} is not an executable file`);
  }
  // A relative entry of PATH would mean another file in every working folder.
  const onPath = (environment.PATH ?? '').split(delimiter).filter((folder) => isAbsolute(folder));
  return [...onPath, ...systemFolders, binFolder(root)]
    .map((folder) => join(folder, EXECUTABLE))
    .find(isExecutable);
}

/**
 * Installs nats-server the first way that works here.
 * @param {string} root
 * @returns {Promise<string>} How it was done.
 * @throws {StepFailure} with what was tried and what to do by hand.
 */
export async function installNatsServer(root) {
  const failures = [];
  for (const way of WAYS) {
    if (!way.isPossible()) continue;
    try {
      await way.install(root, binFolder(root));
      return `with ${way.name}`;
    } catch (error) {
      if (error instanceof Interrupted) throw error;
      failures.push(`${way.name} failed. ${error.message}`);
    }
  }
  throw new StepFailure([...failures, MANUAL].join('\n'));
}

/**
 * Installs one nats-server per way that this machine offers, under .sekai/nats-servers/: an old one of the
 * distribution and a current one, for the suites that run with each.
 * @param {string} root
 * @returns {Promise<string[]>} A line per way that was tried.
 */
export async function installEveryNatsServer(root) {
  const lines = [];
  for (const way of WAYS) {
    if (way.keepApart === undefined) continue;
    const folder = join(root, '.sekai', 'nats-servers', way.keepApart);
    if (isExecutable(join(folder, EXECUTABLE))) lines.push(`${way.name}: already there`);
    else if (!way.isPossible()) lines.push(`SKIPPED nats-server with ${way.name}: not on this machine`);
    else {
      await way.install(root, folder);
      lines.push(`${way.name}: installed`);
    }
  }
  return lines;
}

const WAYS = [
  { name: 'go install', keepApart: 'go', isPossible: () => isOnPath('go'), install: installWithGo },
  {
    name: 'apt-get',
    keepApart: 'apt',
    isPossible: () => isOnPath('apt-get') && isOnPath('dpkg-deb'),
    install: installWithApt,
  },
  {
    name: 'brew',
    isPossible: () => isOnPath('brew'),
    install: (root) => run('brew', ['install', 'nats-server'], { cwd: root }),
  },
];

const MANUAL = `nats-server could not be installed here. Do one of these, then run the command again:
  macOS            brew install nats-server
  Debian, Ubuntu   sudo apt-get update && sudo apt-get install nats-server
  Fedora           sudo dnf install golang   (set-up then builds nats-server itself)
  Alpine           sudo apk add nats-server
  Windows          winget install NATSAuthors.NATSServer   or   choco install nats-server
  anywhere         unpack a release of https://github.com/nats-io/nats-server/releases and name the
                   executable in NATS_SERVER_BIN, or put it at .sekai/bin/nats-server`;

async function installWithGo(root, folder) {
  const scratch = makeScratch(root);
  try {
    // GOOS and GOARCH of a cross-compiling shell would make an executable for another machine.
    const { GOOS: _os, GOARCH: _arch, ...environment } = environmentWithHome(root);
    await run('go', ['install', GO_PACKAGE], {
      cwd: scratch,
      env: { ...environment, GOBIN: scratch, CGO_ENABLED: '0', GO111MODULE: 'on', GOWORK: 'off' },
    });
    moveTo(folder, join(scratch, EXECUTABLE));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Unpacked and not installed: that starts no system service on port 4222. */
async function installWithApt(root, folder) {
  const scratch = makeScratch(root);
  try {
    const unpacked = await unpackDebianPackage('nats-server', scratch);
    const places = ['usr/sbin', 'usr/bin'].map((place) => join(unpacked, place, EXECUTABLE));
    const executable = places.find(isExecutable);
    if (executable === undefined) throw new StepFailure('the package nats-server has no nats-server in it');
    moveTo(folder, executable);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const binFolder = (root) => join(root, '.sekai', 'bin');

function makeScratch(root) {
  const scratch = join(root, '.sekai', `nats-server.${process.pid}`);
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true });
  return scratch;
}

/** By a rename, so that nobody ever finds half an executable. */
function moveTo(folder, executable) {
  mkdirSync(folder, { recursive: true });
  copyFileSync(executable, join(folder, `${EXECUTABLE}.new`));
  renameSync(join(folder, `${EXECUTABLE}.new`), join(folder, EXECUTABLE));
}
