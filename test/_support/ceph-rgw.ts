/**
 * A Ceph RADOS gateway of one node, for tests: monitor, one object store daemon that keeps everything in memory, and
 * the gateway, as processes of ours on free ports of the loopback. Needs Debian's `ceph-mon`, `ceph-osd` and `radosgw`.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { freePorts } from './free-ports.ts';
import { type ServerProcess, startServerProcess, untilAnswering } from './server-process.ts';
import { isExecutable } from './is-executable.ts';

export interface CephRgw {
  /** `http://127.0.0.1:{port}`. */
  readonly endpoint: string;
  /** Adds an account with one access key. */
  addUser(name: string, accessKeyId: string, secretAccessKey: string): Promise<void>;
  /** Runs `radosgw-admin`. */
  admin(...args: string[]): Promise<string>;
  /** Ends all processes and removes all files. Idempotent. */
  stop(): Promise<void>;
}

const PROGRAMS = ['ceph', 'ceph-mon', 'ceph-osd', 'monmaptool', 'radosgw', 'radosgw-admin', 'setpriv'];
const COMMAND_TIMEOUT_MS = 60_000;

/** The programs that are not on PATH; a gateway can be started when there are none. */
export function missingCephPrograms(environment: NodeJS.ProcessEnv = process.env): string[] {
  const folders = (environment['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return PROGRAMS.filter((name) => !folders.some((folder) => isExecutable(join(folder, name))));
}

/**
 * Starts a gateway; on return it answers. Takes about 15 s, nearly all of it Ceph's first look at its own pools.
 * @throws {Error} with the end of the log of the part that failed.
 */
export async function startCephRgw(): Promise<CephRgw> {
  const directory = await mkdtemp(join(tmpdir(), 'sekai-rgw-'));
  const running: ServerProcess[] = [];
  const stop = async (): Promise<void> => {
    // Nobody's data is to be saved: by force, and the gateway first.
    await Promise.all(running.splice(0).map((server) => server.stop('SIGKILL')));
    await rm(directory, { recursive: true, force: true });
  };
  try {
    return await startParts(directory, running, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startParts(
  directory: string,
  running: ServerProcess[],
  stop: () => Promise<void>,
): Promise<CephRgw> {
  const [monitorPort = 0, gatewayPort = 0] = await freePorts(2);
  const fsid = randomUUID();
  const conf = join(directory, 'ceph.conf');
  for (const folder of ['mon', 'osd', 'rgw', 'run', 'log']) await mkdir(join(directory, folder));
  await writeFile(conf, configuration(directory, fsid, monitorPort, gatewayPort));
  const run = (program: string, ...args: string[]): Promise<string> =>
    runCommand(program, ['-c', conf, ...args]);
  const start = async (program: string, name: string, ...args: string[]): Promise<void> => {
    const command = ['--pdeathsig', 'KILL', program, '-c', conf, '-f', ...args];
    running.push(await startServerProcess('setpriv', command, join(directory, 'log', `${name}.out`)));
  };
  const monmap = join(directory, 'monmap');
  const monitor = ['-i', 'a', '--mon-data', join(directory, 'mon')];
  const disk = ['-i', '0', '--osd-data', join(directory, 'osd')];
  // With a map made beforehand: from `mon host` alone the monitor binds its default ports and finds no quorum.
  const address = `[v2:127.0.0.1:${monitorPort}]`;
  await runCommand('monmaptool', ['--create', '--clobber', '--addv', 'a', address, '--fsid', fsid, monmap]);
  await run('ceph-mon', '--mkfs', '--monmap', monmap, '--keyring', '/dev/null', ...monitor);
  await writeFile(join(directory, 'mon', 'keyring'), '');
  await start('ceph-mon', 'mon', ...monitor);
  // Not `osd new <uuid>`: the daemon would make up another one and never be let in.
  await run('ceph', 'osd', 'create');
  await run('ceph', 'osd', 'crush', 'add', 'osd.0', '1', 'root=default');
  await run('ceph-osd', '--mkfs', ...disk);
  await start('ceph-osd', 'osd', ...disk);
  await start('radosgw', 'rgw', '-n', 'client.rgw.a');
  const gateway = running.at(-1);
  const endpoint = `http://127.0.0.1:${gatewayPort}`;
  if (gateway !== undefined) await untilAnswering(endpoint, gateway, COMMAND_TIMEOUT_MS);
  return {
    endpoint,
    admin: (...args) => run('radosgw-admin', ...args),
    addUser: async (name, accessKeyId, secretAccessKey) => {
      const keys = [`--access-key=${accessKeyId}`, `--secret-key=${secretAccessKey}`];
      await run('radosgw-admin', 'user', 'create', `--uid=${name}`, `--display-name=${name}`, ...keys);
    },
    stop,
  };
}

function configuration(directory: string, fsid: string, monitorPort: number, gatewayPort: number): string {
  return `[global]
fsid = ${fsid}
mon host = [v2:127.0.0.1:${monitorPort}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
# The default wants encryption and hangs without keys.
ms mon client mode = crc
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
osd objectstore = memstore
memstore device bytes = 1073741824
run dir = ${directory}/run
log file = ${directory}/log/$name.log
admin socket = ${directory}/run/$name.asok
pid file = ${directory}/run/$name.pid
[mon.a]
mon data = ${directory}/mon
mon cluster log file = ${directory}/log/cluster.log
[osd.0]
osd data = ${directory}/osd
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:${gatewayPort}
rgw data = ${directory}/rgw
rgw thread pool size = 32
`;
}

async function runCommand(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { timeout: COMMAND_TIMEOUT_MS });
  return stdout;
}
