/** Programs that are built with Go, kept under .sekai/go-tools/, one folder per version. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { environmentWithHome } from '../dev/set-up/command.mjs';

const root = join(import.meta.dirname, '..', '..');

/**
 * The path of the executable, which is built the first time.
 * @param {string} name
 * @param {string} goPackage With its version, which is what makes it the same everywhere.
 * @returns {string | undefined} Undefined without Go 1.24 or later.
 * @throws {Error} when Go is there and cannot build it.
 */
export function goTool(name, goPackage) {
  const folder = join(root, '.sekai', 'go-tools', goPackage.replaceAll(/[^\w.@-]+/g, '_'));
  const executable = join(folder, name);
  if (existsSync(executable)) return executable;
  if (!hasGo()) return undefined;
  mkdirSync(folder, { recursive: true });
  go(['install', goPackage], { GOBIN: folder, CGO_ENABLED: '0' });
  return executable;
}

/**
 * The folder of a Go module's files; undefined without Go 1.24 or later.
 * @param {string} goModule With its version.
 * @returns {string | undefined}
 */
export function goModuleFolder(goModule) {
  if (!hasGo()) return undefined;
  return JSON.parse(go(['mod', 'download', '-json', goModule], {})).Dir;
}

function go(args, more) {
  const { GOOS: _os, GOARCH: _arch, ...environment } = environmentWithHome(root);
  const env = { ...environment, GO111MODULE: 'on', GOWORK: 'off', ...more };
  return execFileSync('go', args, { cwd: import.meta.dirname, encoding: 'utf8', env });
}

/** The oldest Go that builds what is built here. Older ones may fetch a newer toolchain, or be forbidden to. */
const OLDEST_GO = [1, 24];

function hasGo() {
  try {
    const version = execFileSync('go', ['version'], { encoding: 'utf8' });
    const [, major, minor] = /go(\d+)\.(\d+)/.exec(version) ?? [];
    return Number(major) > OLDEST_GO[0] || (Number(major) === OLDEST_GO[0] && Number(minor) >= OLDEST_GO[1]);
  } catch {
    return false;
  }
}
