import { z } from 'zod';
import {
  flag,
  integer,
  type ListenAddress,
  listenAddress,
  oneOf,
  readEnvironment,
} from '../services/runtime/environment.ts';
import { LOG_LEVELS, type LogLevel } from '../services/runtime/logger.ts';
import {
  type NatsAccess,
  natsAccess,
  natsContradictions,
  natsVariables,
} from '../services/runtime/nats-access.ts';
import {
  type TracingConfig,
  tracingConfig,
  tracingVariables,
} from '../services/runtime/tracing/tracing-config.ts';
import { MAX_LINK_SECONDS } from './download-link.ts';
import { type S3Config, s3ConfigFrom, s3Variables } from './s3/s3-config.ts';

/** Everything an archiver is told from outside. */
export interface ArchiverConfig {
  readonly nats: NatsAccess;
  readonly natsReplicas: number;
  readonly adminListen: ListenAddress;
  readonly concurrency: number;
  readonly maxBytesInFlight: number;
  readonly headBeforeUpload: boolean;
  /** Life of a download link when none is asked for. */
  readonly downloadLinkSeconds: number;
  /** Undefined when no traces are wanted. */
  readonly tracing: TracingConfig | undefined;
  readonly logLevel: LogLevel;
  readonly s3: S3Config;
  /** The `AWS_*` variables, from which the S3 credentials are found. Secret: never to be logged. */
  readonly awsEnvironment: Readonly<Record<string, string | undefined>>;
}

const MIB = 1024 * 1024;

/** The archiver's environment variables. */
export const archiverVariables = z.object({
  ...natsVariables,
  ...tracingVariables,
  NATS_REPLICAS: integer('Copies of every stream the archiver creates', 1, 5).prefault('1'),
  ADMIN_LISTEN: listenAddress('Address of /healthz, /readyz and /metrics').prefault('0.0.0.0:9465'),
  ARCHIVER_CONCURRENCY: integer('Pairs uploaded at the same time', 1, 64).prefault('8'),
  ARCHIVER_MAX_BYTES_IN_FLIGHT: integer('Bytes of pairs in hand at the same time', MIB, 1024 * MIB).prefault(
    String(64 * MIB),
  ),
  S3_HEAD_BEFORE_UPLOAD: flag('Whether to ask the bucket for a pair before it is uploaded').prefault('true'),
  DOWNLOAD_LINK_SECONDS: integer(
    'How long download links work, unless less or more is asked for',
    1,
    MAX_LINK_SECONDS,
  ).prefault('900'),
  LOG_LEVEL: oneOf('Least severe level that is logged', LOG_LEVELS).prefault('info'),
  ...s3Variables,
});

/**
 * Reads an archiver's configuration.
 * @throws {ConfigError} with every fault.
 */
export function readArchiverConfig(
  environment: Readonly<Record<string, string | undefined>>,
): ArchiverConfig {
  const variables = readEnvironment(archiverVariables, environment, natsContradictions);
  return {
    nats: natsAccess(variables),
    natsReplicas: variables.NATS_REPLICAS,
    adminListen: variables.ADMIN_LISTEN,
    concurrency: variables.ARCHIVER_CONCURRENCY,
    maxBytesInFlight: variables.ARCHIVER_MAX_BYTES_IN_FLIGHT,
    headBeforeUpload: variables.S3_HEAD_BEFORE_UPLOAD,
    downloadLinkSeconds: variables.DOWNLOAD_LINK_SECONDS,
    tracing: tracingConfig(variables, 'sekai-archiver'),
    logLevel: variables.LOG_LEVEL,
    s3: s3ConfigFrom(variables),
    awsEnvironment: Object.fromEntries(
      Object.entries(environment).filter(([name]) => name.startsWith('AWS_')),
    ),
  };
}

/**
 * Reads where NATS is and how to log in there, for programs that need nothing else of it.
 * @throws {ConfigError} with every fault.
 */
export const readNatsAccess = (environment: Readonly<Record<string, string | undefined>>): NatsAccess =>
  natsAccess(readEnvironment(z.object(natsVariables), environment, natsContradictions));
