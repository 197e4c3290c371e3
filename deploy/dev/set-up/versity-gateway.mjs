/** VersityGW under .sekai/s3-servers; nothing outside the clone is changed. */
import { copyFileSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { environmentWithHome, run } from './command.mjs';
import { isExecutable, isOnPath } from './executable.mjs';

/** Built with Go 1.26.8 on 22 Nov 2026; the first with POST Object was 1.4.1. */
const GO_PACKAGE = 'github.com/versity/versitygw/cmd/versitygw@v1.8.0';

/**
 * @param {string} root
 * @returns {Promise<string>} A line on how it went.
 * @throws {StepFailure} where there is Go and the build fails.
 */
export async function installVersityGateway(root) {
  const folder = join(root, '.sekai', 's3-servers');
  const executable = join(folder, 'versitygw');
  if (isExecutable(executable)) return 'VersityGW: already there';
  if (!isOnPath('go')) return 'SKIPPED VersityGW: no Go on this machine';
  const scratch = join(root, '.sekai', `versitygw.${process.pid}`);
  mkdirSync(scratch, { recursive: true });
  try {
    // GOOS and GOARCH of a cross-compiling shell would make an executable for another machine.
    const { GOOS: _os, GOARCH: _arch, ...environment } = environmentWithHome(root);
    const env = { ...environment, GOBIN: scratch, CGO_ENABLED: '0', GO111MODULE: 'on', GOWORK: 'off' };
    await run('go', ['install', GO_PACKAGE], { cwd: scratch, env });
    mkdirSync(folder, { recursive: true });
    copyFileSync(join(scratch, 'versitygw'), `${executable}.new`);
    // By a rename, so that nobody ever finds half an executable.
    renameSync(`${executable}.new`, executable);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return 'VersityGW: installed';
}
