/**
 * The whole system on one machine: nats-server, a strict local S3, the archiver and the image service, the last
 * two as the processes they are in production. What `npm run dev` and `npm run demo` run, and the fixture of the
 * integration tests.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { imageGenerationVariables } from '../../services/image-generation/config.ts';
import { archiverVariables } from '../../sidecar/config.ts';
import { type LocalS3, startLocalS3 } from './local-s3/local-s3.ts';
import { type LogLine, type ManagedProcess, startManagedProcess } from './managed-process.ts';
import { type NatsServer, startNatsServer } from './nats-server.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface StackOptions {
  /** Folder of everything the stack writes: objects, streams, spool, logs. Created when missing, never removed. */
  readonly directory: string;
  /** Our own variables in it go to the processes; those that wire the stack together are the stack's. */
  readonly environment?: Environment;
  /** Default: any free ports. */
  readonly ports?: StackPorts;
  /** Default: the nats-server that is found. */
  readonly natsBinary?: string;
  readonly onLine?: (process: 'service' | 'archiver', line: LogLine) => void;
}

export interface StackPorts {
  readonly grpc: number;
  readonly admin: number;
  readonly archiverAdmin: number;
  readonly nats: number;
  readonly s3: number;
}

export interface Stack {
  /** gRPC target of the image service. */
  readonly target: string;
  readonly directory: string;
  /** The parts of the archive; undefined when archiving is switched off. */
  readonly archive: StackArchive | undefined;
  readonly service: ManagedProcess;
  /** Starts the service again, on the same port, after it was stopped or killed. */
  restartService(): Promise<void>;
  /** Stops everything in the order of a pod: service, archiver, then what they use. Idempotent. */
  stop(): Promise<void>;
}

export interface StackArchive {
  readonly nats: NatsServer;
  readonly s3: LocalS3;
  readonly archiver: ManagedProcess;
  readonly bucket: string;
  /** What the archiver, `sekai-archive` and `npm run smoke` need to reach the bucket. */
  readonly environment: Readonly<Record<string, string>>;
  /** Starts the archiver again after it was stopped or killed. */
  restartArchiver(): Promise<void>;
}

/** Credentials of the local S3; of no use anywhere else. */
const DEV_CREDENTIALS = { accessKeyId: 'sekai-dev', secretAccessKey: 'sekai-dev-secret' };
const ANY_PORTS: StackPorts = { grpc: 0, admin: 0, archiverAdmin: 0, nats: -1, s3: 0 };

/**
 * Starts the stack; on return it serves.
 * @throws {Error} when a part does not start; the parts before it are stopped.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const owned: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const close of owned.splice(0).toReversed()) await close();
  };
  try {
    await mkdir(options.directory, { recursive: true });
    const archive =
      options.environment?.['ENABLE_INTERNAL_S3_UPLOAD'] === 'false'
        ? undefined
        : await startArchive(options, owned);
    const wiring = {
      ...(archive === undefined ? {} : { NATS_URL: archive.nats.url }),
      SPOOL_DIR: join(options.directory, 'spool'),
    };
    let service = await startService(options, wiring, options.ports?.grpc ?? 0);
    const port = Number(service.ready['grpcPort']);
    owned.push(() => service.stop());
    return {
      target: `127.0.0.1:${port}`,
      directory: options.directory,
      archive,
      get service() {
        return service;
      },
      async restartService() {
        await service.stop();
        service = await startService(options, wiring, port);
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startArchive(options: StackOptions, owned: (() => Promise<unknown>)[]): Promise<StackArchive> {
  const { directory, ports = ANY_PORTS, natsBinary } = options;
  const nats = await startNatsServer({
    directory: join(directory, 'nats'),
    port: ports.nats,
    ...(natsBinary === undefined ? {} : { binary: natsBinary }),
  });
  owned.push(() => nats.stop());
  const given = known(archiverVariables.shape, options.environment ?? {});
  const bucket = given['S3_BUCKET'] ?? 'customers-sekai-background-image-gen';
  const s3 = await startLocalS3({
    port: ports.s3,
    directory: join(directory, 's3'),
    credentials: [DEV_CREDENTIALS],
    region: 'us-east-1',
    buckets: [{ name: bucket }],
  });
  owned.push(() => s3.stop());
  const environment = {
    ...given,
    NATS_URL: nats.url,
    S3_ENDPOINT: s3.endpoint,
    S3_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: DEV_CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: DEV_CREDENTIALS.secretAccessKey,
  };
  let archiver = await startArchiver(options, environment);
  owned.push(() => archiver.stop());
  return {
    nats,
    s3,
    bucket,
    environment,
    get archiver() {
      return archiver;
    },
    async restartArchiver() {
      await archiver.stop();
      archiver = await startArchiver(options, environment);
    },
  };
}

function startArchiver(
  options: StackOptions,
  environment: Readonly<Record<string, string>>,
): Promise<ManagedProcess> {
  return startManagedProcess({
    name: 'archiver',
    entry: 'sidecar/main.js',
    environment: { ...environment, ADMIN_LISTEN: `127.0.0.1:${options.ports?.archiverAdmin ?? 0}` },
    logFile: join(options.directory, 'archiver.log'),
    readyMessage: 'Archive: taking events',
    onLine: (line) => options.onLine?.('archiver', line),
  });
}

function startService(
  options: StackOptions,
  wiring: Readonly<Record<string, string>>,
  grpcPort: number,
): Promise<ManagedProcess> {
  return startManagedProcess({
    name: 'image service',
    entry: 'services/image-generation/main.js',
    environment: {
      ...known(imageGenerationVariables.shape, options.environment ?? {}),
      ...wiring,
      GRPC_LISTEN: `127.0.0.1:${grpcPort}`,
      ADMIN_LISTEN: `127.0.0.1:${options.ports?.admin ?? 0}`,
    },
    logFile: join(options.directory, 'service.log'),
    readyMessage: 'image service is ready',
    onLine: (line) => options.onLine?.('service', line),
  });
}

/** The variables of `environment` that a process knows. */
function known(shape: Readonly<Record<string, unknown>>, environment: Environment): Record<string, string> {
  const entries = Object.keys(shape).map((name) => [name, environment[name]] as const);
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined));
}
