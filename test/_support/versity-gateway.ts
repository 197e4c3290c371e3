/** VersityGW over a folder, for tests: another real S3 server, built with Go by deploy/dev/set-up/s3-servers.mjs. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './free-ports.ts';
import { startServerProcess, untilAnswering } from './server-process.ts';

export interface VersityGateway {
  readonly endpoint: string;
  /** Idempotent. */
  stop(): Promise<void>;
}

const READY_TIMEOUT_MS = 30_000;

/** The executable, where the set-up has put one. */
export function findVersityGateway(): string | undefined {
  const path = join(process.cwd(), '.sekai', 's3-servers', 'versitygw');
  return existsSync(path) ? path : undefined;
}

/** @throws {Error} with the end of its log. */
export async function startVersityGateway(
  binary: string,
  root: { readonly accessKeyId: string; readonly secretAccessKey: string },
): Promise<VersityGateway> {
  const directory = await mkdtemp(join(tmpdir(), 'sekai-versity-'));
  const [port = 0] = await freePorts(1);
  const endpoint = `http://127.0.0.1:${port}`;
  const [objects, metadata] = [join(directory, 'objects'), join(directory, 'metadata')];
  for (const folder of [objects, metadata]) await mkdir(folder);
  const server = await startServerProcess(
    binary,
    // Metadata in files of their own: temporary folders often have no extended attributes.
    ['--port', `127.0.0.1:${port}`, 'posix', '--sidecar', metadata, objects],
    join(directory, 'log'),
    { ...process.env, ROOT_ACCESS_KEY_ID: root.accessKeyId, ROOT_SECRET_ACCESS_KEY: root.secretAccessKey },
  );
  const stop = async (): Promise<void> => {
    await server.stop('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await untilAnswering(endpoint, server, READY_TIMEOUT_MS);
  } catch (error) {
    await stop();
    throw error;
  }
  return { endpoint, stop };
}
