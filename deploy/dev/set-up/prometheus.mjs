/**
 * For CI: Debian's Prometheus and promtool under .sekai/prometheus, for the tests of alerts and dashboard. Where there
 * is no apt one SKIPPED line; where there is, not getting it is a fault.
 */
import { accessSync, copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, StepFailure } from './command.mjs';
import { unpackDebianPackage } from './debian-package.mjs';

const PROGRAMS = ['prometheus', 'promtool'];
const sekai = join(dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url))))), '.sekai');
const folder = join(sekai, 'prometheus');

async function install() {
  mkdirSync(folder, { recursive: true });
  const scratch = mkdtempSync(join(sekai, 'prometheus-'));
  try {
    const unpacked = await unpackDebianPackage('prometheus', scratch);
    for (const program of PROGRAMS) {
      // By a rename, so that nobody ever finds half an executable.
      copyFileSync(join(unpacked, 'usr', 'bin', program), join(scratch, program));
      renameSync(join(scratch, program), join(folder, program));
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const succeeds = (attempt) =>
  attempt.then(
    () => true,
    () => false,
  );

async function main() {
  if (PROGRAMS.every(isThere)) return 'Prometheus: already there';
  if (!(await succeeds(run('apt-get', ['--version'], { cwd: '/' })))) {
    return 'SKIPPED Prometheus: no apt on this machine';
  }
  await install();
  return 'Prometheus: unpacked';
}

function isThere(program) {
  try {
    accessSync(join(folder, program));
    return true;
  } catch {
    return false;
  }
}

try {
  console.log(await main());
} catch (error) {
  if (!(error instanceof StepFailure)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
