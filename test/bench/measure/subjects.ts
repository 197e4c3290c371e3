/** The processes that are measured, each started as in production and stopped when its bench is over. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChildProcesses, createChildProcesses } from '../../../deploy/dev/child-processes.ts';
import { type ManagedProcess, startManagedProcess } from '../../../deploy/dev/managed-process.ts';
import { IMAGE_ENVIRONMENT } from '../../_support/image/image-environment.ts';
import { FIXED_SIDE } from '../subjects/fixed-image.ts';

/** What the engine of ready bytes makes. */
export const FIXED_REQUEST = { width: FIXED_SIDE, height: FIXED_SIDE };

export interface Subject {
  readonly pid: number;
  readonly port: number;
  readonly process: ManagedProcess;
}

/** Starts processes below `directory` and ends them all, the last one first. */
export interface SubjectShelf extends AsyncDisposable {
  /** For processes that others start. */
  readonly children: ChildProcesses;
  /** An image service; `entry` is its file below dist/. */
  service(name: string, entry: string, environment?: Record<string, string>): Promise<Subject>;
  archiver(name: string, environment: Record<string, string>): Promise<ManagedProcess>;
  /** Something that says "ready", with a `grpcPort` if it has one. */
  peer(name: string, entry: string, environment?: Record<string, string>): Promise<Subject>;
  /** Something else that has to be closed. */
  own(close: () => Promise<unknown>): void;
}

export const FIXED_IMAGE_SERVICE = 'test/bench/subjects/fixed-image-service.js';
export const REAL_SERVICE = 'services/image-generation/main.js';

export function openShelf(directory: string): SubjectShelf {
  const closers: (() => Promise<unknown>)[] = [];
  const children = createChildProcesses();
  const start = async (
    name: string,
    entry: string,
    readyMessage: string,
    environment: Record<string, string>,
  ): Promise<ManagedProcess> => {
    await mkdir(directory, { recursive: true });
    const logFile = join(directory, `${name}.log`);
    const { PATH = '' } = process.env;
    const started = await startManagedProcess({
      name,
      entry,
      readyMessage,
      logFile,
      children,
      environment: { PATH, ...IMAGE_ENVIRONMENT, ...environment },
    });
    closers.push(() => started.stop());
    return started;
  };
  const asSubject = (process: ManagedProcess): Subject => ({
    process,
    pid: process.pid,
    port: Number(process.ready['grpcPort']),
  });
  return {
    children,
    async service(name, entry, environment = {}) {
      const listen = { GRPC_LISTEN: '127.0.0.1:0', ADMIN_LISTEN: '127.0.0.1:0' };
      const room = { ENGINE_QUEUE: '256', SPOOL_DIR: join(directory, `${name}-spool`) };
      const all = { ...listen, ...room, ENABLE_INTERNAL_S3_UPLOAD: 'false', ...environment };
      return asSubject(await start(name, entry, 'image service is ready', all));
    },
    archiver: (name, environment) =>
      start(name, 'sidecar/main.js', 'Archive: taking events', {
        ADMIN_LISTEN: '127.0.0.1:0',
        ...environment,
      }),
    async peer(name, entry, environment = {}) {
      return asSubject(await start(name, entry, 'ready', environment));
    },
    own: (close) => void closers.push(close),
    async [Symbol.asyncDispose]() {
      for (const close of closers.splice(0).toReversed()) await close();
    },
  };
}
