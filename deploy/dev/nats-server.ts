/** Runs a real nats-server with JetStream, for the dev stack and for tests. */
import { execFile, spawn } from 'node:child_process';
import { access, constants, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { delimiter, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type ChildProcesses, createChildProcesses } from './child-processes.ts';

/** More than all streams of deploy/nats/ reserve together, so that they fit whatever the disk's size, bytes. */
const MAX_FILE_STORE_BYTES = 256 * 2 ** 30;
const READY_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 15_000;

export interface NatsServerOptions {
  /** The executable. Default: see {@link findNatsServer}. */
  readonly binary?: string;
  /** Folder of this server alone: configuration, log and store. Created when missing, never removed. */
  readonly directory: string;
  /** Default: any free port. */
  readonly port?: number;
  /** More command line arguments. */
  readonly args?: readonly string[];
  /** More lines for the configuration file, for example `max_payload: 100KB`. */
  readonly config?: string;
  /** Whose the process is. Default: it owns itself, which takes one `exit` listener for each. */
  readonly children?: ChildProcesses;
}

export interface NatsServer {
  readonly url: string;
  readonly port: number;
  /** For example `2.9.10`. */
  readonly version: string;
  /** Of the process that runs now, or ran last. */
  readonly pid: number;
  readonly logFile: string;
  /** Ends the process gently, by force after 15 s. Idempotent. */
  stop(): Promise<void>;
  /** Sends a signal; returns when the process is gone, or at once for SIGSTOP, SIGCONT and the like. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Stops it if it runs and starts it again on the same port and store. */
  restart(): Promise<void>;
}

/**
 * Starts a server and returns once it answers.
 * @throws {Error} when there is no executable, or it ends or stays silent instead of getting ready.
 */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const directory = resolve(options.directory);
  await mkdir(directory, { recursive: true });
  const binary = options.binary ?? (await findNatsServer());
  const version = await natsServerVersion(binary);
  const logFile = join(directory, 'nats-server.log');
  const children = options.children ?? createChildProcesses();
  const launch = async (port: number) => {
    const config = join(directory, 'nats-server.conf');
    await writeFile(config, configuration(directory, port, options.config));
    return launchProcess(binary, ['-c', config, ...(options.args ?? [])], directory, logFile, children);
  };
  let running = await launch(options.port ?? -1);
  const { port } = running;
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    version,
    logFile,
    get pid() {
      return running.pid;
    },
    stop: () => running.stop(),
    kill: (signal) => running.kill(signal),
    restart: async () => {
      await running.stop();
      running = await launch(port);
    },
  };
}

/**
 * Looks for the executable: NATS_SERVER_BIN, PATH, /usr/sbin, then `.sekai/bin` of this repository.
 * @throws {Error} that says where it looked.
 */
export async function findNatsServer(environment: NodeJS.ProcessEnv = process.env): Promise<string> {
  for (const place of natsServerPlaces(environment)) if (await isExecutable(place)) return place;
  const named = environment['NATS_SERVER_BIN'];
  throw new Error(
    named
      ? `NATS_SERVER_BIN=${named} is not an executable file`
      : 'nats-server not found: install it (https://github.com/nats-io/nats-server/releases), put it on PATH, ' +
          'in /usr/sbin or .sekai/bin, or name it in NATS_SERVER_BIN',
  );
}

/** Where the executable may be, best first, `moreFolders` last; NATS_SERVER_BIN alone when it is set. */
export function natsServerPlaces(
  environment: NodeJS.ProcessEnv,
  moreFolders: readonly string[] = [],
): string[] {
  const named = environment['NATS_SERVER_BIN'];
  const folders = [
    ...(environment['PATH'] ?? '').split(delimiter).filter((folder) => folder !== ''),
    '/usr/sbin',
    // The repository's own, seen from the source tree and from dist/.
    new URL('../../.sekai/bin', import.meta.url).pathname,
    new URL('../../../.sekai/bin', import.meta.url).pathname,
    ...moreFolders,
  ];
  return named ? [named] : folders.map((folder) => join(folder, 'nats-server'));
}

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

async function natsServerVersion(binary: string): Promise<string> {
  const { stdout } = await promisify(execFile)(binary, ['--version']);
  return /v?(\d+\.\d+\.\d+\S*)/.exec(stdout)?.[1] ?? stdout.trim();
}

function configuration(directory: string, port: number, more = ''): string {
  return `host: 127.0.0.1
port: ${port}
ports_file_dir: ${JSON.stringify(directory)}
jetstream {
  store_dir: ${JSON.stringify(join(directory, 'store'))}
  max_memory_store: 67108864
  max_file_store: ${MAX_FILE_STORE_BYTES}
}
${more}
`;
}

interface NatsProcess {
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): Promise<void>;
}

async function launchProcess(
  binary: string,
  args: readonly string[],
  directory: string,
  logFile: string,
  children: ChildProcesses,
): Promise<NatsProcess> {
  const log = await open(logFile, 'a');
  // Detached, so that Ctrl-C reaches our process alone, which then stops everything in order.
  const child = spawn(binary, args, { stdio: ['ignore', log.fd, log.fd], detached: true });
  const gone = new Promise<Error | undefined>((settle) => {
    child.once('error', settle);
    child.once('exit', () => settle(undefined));
  });
  await log.close(); // the child has its own copy
  children.add(child);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
    await gone;
    clearTimeout(late);
  };
  try {
    const port = await readyPort(directory, child.pid ?? 0, gone, logFile);
    return {
      pid: child.pid ?? 0,
      port,
      stop: () => end('SIGTERM'),
      kill: async (signal) => {
        if (['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGUSR2'].includes(signal)) await end(signal);
        else child.kill(signal);
      },
    };
  } catch (error) {
    await end('SIGKILL');
    throw error;
  }
}

/** The server writes its ports file once it listens; `INFO` on a fresh connection then proves that it answers. */
async function readyPort(
  directory: string,
  pid: number,
  gone: Promise<Error | undefined>,
  logFile: string,
): Promise<number> {
  const end: { error?: Error | undefined; reached: boolean } = { reached: false };
  void gone.then((error) => Object.assign(end, { error, reached: true }));
  const file = join(directory, `nats-server_${pid}.ports`);
  const deadline = Date.now() + READY_DEADLINE_MS;
  while (Date.now() < deadline && !end.reached) {
    const port = await portOf(file);
    if (port !== undefined && (await answersInfo(port))) {
      await rm(file, { force: true });
      return port;
    }
    await delay(10);
  }
  const what = end.reached ? 'ended before it was ready' : `was not ready within ${READY_DEADLINE_MS} ms`;
  const tail = (await readFile(logFile, 'utf8').catch(() => '')).split('\n').slice(-8).join('\n');
  throw new Error(`nats-server ${what}; end of ${logFile}:\n${tail}`, { cause: end.error });
}

async function portOf(portsFile: string): Promise<number | undefined> {
  try {
    const ports = JSON.parse(await readFile(portsFile, 'utf8')) as { nats?: string[] };
    const address = ports.nats?.[0];
    return address === undefined ? undefined : Number(new URL(address).port);
  } catch {
    return undefined; // not there yet, or half written
  }
}

function answersInfo(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connect(port, '127.0.0.1');
    const finish = (answer: boolean): void => {
      socket.destroy();
      settle(answer);
    };
    socket.setTimeout(2_000, () => finish(false));
    socket.once('error', () => finish(false));
    socket.once('close', () => finish(false));
    socket.once('data', (data) => finish(data.toString('latin1').startsWith('INFO ')));
  });
}
