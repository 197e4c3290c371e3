/** Ceph's S3 gateway, from the distribution: about 70 MB to download. Nothing is configured or started. */
import { Interrupted, run } from './command.mjs';
import { isOnPath } from './executable.mjs';

const PACKAGES = ['ceph-mon', 'ceph-osd', 'radosgw'];
const PROGRAMS = ['ceph', 'ceph-mon', 'ceph-osd', 'monmaptool', 'radosgw', 'radosgw-admin', 'setpriv'];

/**
 * @param {string} root
 * @returns {Promise<string>} A line on how it went.
 * @throws {StepFailure} where there is apt and it fails; the suite must not be left out by accident there.
 */
export async function installCephRgw(root) {
  if (PROGRAMS.every((program) => isOnPath(program))) return 'Ceph RGW: already there';
  if (!isOnPath('apt-get')) return 'SKIPPED Ceph RGW: no apt on this machine';
  const rootPrefix = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const apt = (...args) => {
    const [command, ...rest] = [...rootPrefix, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...args];
    return run(command, rest, { cwd: root });
  };
  const install = () => apt('install', '--yes', '--no-install-recommends', ...PACKAGES);
  await install().catch(async (error) => {
    if (error instanceof Interrupted) throw error;
    // The package lists are missing or too old.
    await apt('update');
    await install();
  });
  return 'Ceph RGW: installed';
}
