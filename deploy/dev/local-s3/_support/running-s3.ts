/** Starts servers for the tests of this folder and takes them away again. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LocalS3, type LocalS3Options, startLocalS3 } from '../local-s3.ts';
import { EXAMPLE_CREDENTIAL } from './signed-form.ts';

export const BUCKET = 'test-bucket';
export const REGION = 'ap-northeast-1';
/** The moment in which tests with a fixed clock happen. */
export const NOW = new Date('2026-01-02T03:04:05.000Z');

export interface RunningS3 {
  start(options?: Partial<LocalS3Options>): Promise<LocalS3>;
  /** A fresh empty folder. */
  directory(): Promise<string>;
  /** Stops every server and removes every folder. */
  cleanUp(): Promise<void>;
}

export function runningS3(): RunningS3 {
  const servers: LocalS3[] = [];
  const directories: string[] = [];
  const directory = async () => {
    const made = await mkdtemp(join(tmpdir(), 'local-s3-'));
    directories.push(made);
    return made;
  };
  return {
    directory,
    async start(options = {}) {
      const server = await startLocalS3({
        directory: options.directory ?? (await directory()),
        credentials: [EXAMPLE_CREDENTIAL],
        region: REGION,
        buckets: [{ name: BUCKET }],
        ...options,
      });
      servers.push(server);
      return server;
    },
    async cleanUp() {
      await Promise.all(servers.splice(0).map((server) => server.stop()));
      await Promise.all(directories.splice(0).map((made) => rm(made, { recursive: true, force: true })));
    },
  };
}
