import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { archiveLocationVariables } from '../runtime/archive-location.ts';
import {
  ConfigError,
  type ConfigFault,
  flag,
  integer,
  type ListenAddress,
  listenAddress,
  oneOf,
  readEnvironment,
  text,
} from '../runtime/environment.ts';
import { LOG_LEVELS, type LogLevel } from '../runtime/logger.ts';
import { type SecurityConfig, securityConfig, securityFaults, securityVariables } from './security-config.ts';
import { type TracingConfig, tracingConfig, tracingVariables } from '../runtime/tracing/tracing-config.ts';
import { type NatsAccess, natsAccess, natsContradictions, natsVariables } from '../runtime/nats-access.ts';
import { type EngineConfig, engineConfig, engineVariables } from './engines/config.ts';

const MiB = 1024 * 1024;

/** The variables of the image service; the configuration reference is made from them. */
export const imageGenerationVariables = z.object({
  GRPC_LISTEN: listenAddress('Where callers connect.').prefault('0.0.0.0:50051'),
  ADMIN_LISTEN: listenAddress('Where /healthz, /readyz and /metrics are.').prefault('0.0.0.0:9464'),
  ...engineVariables,
  ENGINE_QUEUE: integer(
    'Generations of one caller that may wait; of all together twice as many.',
    0,
    10_000,
  ).prefault('64'),
  MAX_CALL_SECONDS: integer('Longest a call may take, whatever deadline it has.', 1, 3_600).prefault('300'),
  MAX_CONNECTION_AGE_SECONDS: integer(
    'When callers are asked to connect anew, and so to find new pods; running calls end first.',
    1,
    86_400,
  ).prefault('1800'),
  STOP_CALLS_SECONDS: integer('Time that accepted calls get to end after SIGTERM.', 1, 3_600).prefault('30'),
  CHUNK_BYTES: integer('Image bytes in one message of the stream.', 16 * 1024, MiB).prefault(
    String(256 * 1024),
  ),
  DELIVERY_MAX_BYTES: integer(
    'Bytes of images that callers are being sent; beyond it the engine waits for slow readers.',
    16 * MiB,
    2 ** 40,
  ).prefault(String(512 * MiB)),
  ENABLE_INTERNAL_S3_UPLOAD: flag(
    'Whether images are archived. Without it no NATS is needed or dialled.',
  ).prefault('true'),
  ...natsVariables,
  ...tracingVariables,
  HANDOFF_DEADLINE_MS: integer('Longest wait of a result for its hand-off, ms.', 0, 10_000).prefault('250'),
  SPOOL_DIR: text('Folder of the hand-off spool; one process per folder.', 'a path').prefault(
    join(tmpdir(), 'sekai-image-spool'),
  ),
  SPOOL_MAX_BYTES: integer('Most bytes in the spool.', MiB, 2 ** 50).prefault(String(1024 * MiB)),
  ...archiveLocationVariables,
  ...securityVariables,
  LOG_LEVEL: oneOf('Least severity that is logged.', LOG_LEVELS).prefault('info'),
});

/** Everything the service needs to know, checked. */
export interface ImageGenerationConfig {
  readonly grpcListen: ListenAddress;
  readonly adminListen: ListenAddress;
  readonly engine: EngineConfig;
  /** Undefined: as many as the engine does at once. */
  readonly engineConcurrency: number | undefined;
  readonly engineQueue: number;
  readonly maxCallMs: number;
  readonly maxConnectionAgeMs: number;
  readonly stopCallsMs: number;
  readonly chunkBytes: number;
  readonly deliveryMaxBytes: number;
  /** Undefined when archiving is switched off. */
  readonly archive: ArchiveConfig | undefined;
  readonly security: SecurityConfig;
  /** Undefined when no traces are wanted. */
  readonly tracing: TracingConfig | undefined;
  readonly logLevel: LogLevel;
}

export interface ArchiveConfig {
  readonly nats: NatsAccess;
  readonly handoffDeadlineMs: number;
  readonly spoolDirectory: string;
  readonly spoolMaxBytes: number;
  readonly bucket: string;
  /** Empty or ending in "/". */
  readonly prefix: string;
}

/**
 * Reads the service's configuration.
 * @throws {ConfigError} with every fault.
 */
export function imageGenerationConfig(
  environment: Readonly<Record<string, string | undefined>>,
): ImageGenerationConfig {
  const read = readEnvironment(imageGenerationVariables, environment, (raw) => [
    ...natsContradictions(raw),
    ...securityFaults(raw),
  ]);
  const faults: ConfigFault[] = [];
  const engine = engineConfig(read, faults);
  if (faults.length > 0) throw new ConfigError(faults);
  return {
    grpcListen: read.GRPC_LISTEN,
    adminListen: read.ADMIN_LISTEN,
    engine,
    engineConcurrency: read.ENGINE_CONCURRENCY,
    engineQueue: read.ENGINE_QUEUE,
    maxCallMs: read.MAX_CALL_SECONDS * 1_000,
    maxConnectionAgeMs: read.MAX_CONNECTION_AGE_SECONDS * 1_000,
    stopCallsMs: read.STOP_CALLS_SECONDS * 1_000,
    chunkBytes: read.CHUNK_BYTES,
    deliveryMaxBytes: read.DELIVERY_MAX_BYTES,
    archive: read.ENABLE_INTERNAL_S3_UPLOAD
      ? {
          nats: natsAccess(read),
          handoffDeadlineMs: read.HANDOFF_DEADLINE_MS,
          spoolDirectory: read.SPOOL_DIR,
          spoolMaxBytes: read.SPOOL_MAX_BYTES,
          bucket: read.S3_BUCKET,
          prefix: read.S3_PREFIX,
        }
      : undefined,
    security: securityConfig(read),
    tracing: tracingConfig(read, 'sekai-image-generation'),
    logLevel: read.LOG_LEVEL,
  };
}
