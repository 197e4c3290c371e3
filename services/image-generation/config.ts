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
  urlList,
} from '../runtime/environment.ts';
import { LOG_LEVELS, type LogLevel } from '../runtime/logger.ts';
import { type EngineConfig, engineConfig, engineVariables } from './engines/config.ts';

const MiB = 1024 * 1024;

/** The variables of the image service; the configuration reference is made from them. */
export const imageGenerationVariables = z.object({
  GRPC_LISTEN: listenAddress('Where callers connect.').prefault('0.0.0.0:50051'),
  ADMIN_LISTEN: listenAddress('Where /healthz, /readyz and /metrics are.').prefault('0.0.0.0:9464'),
  ...engineVariables,
  ENGINE_QUEUE: integer('Generations that may wait for a place.', 0, 10_000).prefault('64'),
  MAX_CALL_SECONDS: integer('Longest a call may take, whatever deadline it has.', 1, 3_600).prefault('300'),
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
  NATS_URL: urlList('NATS servers.', ['nats', 'tls']).prefault('nats://127.0.0.1:4222'),
  HANDOFF_DEADLINE_MS: integer('Longest wait of a result for its hand-off, ms.', 0, 10_000).prefault('250'),
  SPOOL_DIR: text('Folder of the hand-off spool; one process per folder.', 'a path').prefault(
    join(tmpdir(), 'sekai-image-spool'),
  ),
  SPOOL_MAX_BYTES: integer('Most bytes in the spool.', MiB, 2 ** 50).prefault(String(1024 * MiB)),
  ...archiveLocationVariables,
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
  readonly chunkBytes: number;
  readonly deliveryMaxBytes: number;
  /** Undefined when archiving is switched off. */
  readonly archive: ArchiveConfig | undefined;
  readonly logLevel: LogLevel;
}

export interface ArchiveConfig {
  readonly natsServers: readonly string[];
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
  const read = readEnvironment(imageGenerationVariables, environment);
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
    chunkBytes: read.CHUNK_BYTES,
    deliveryMaxBytes: read.DELIVERY_MAX_BYTES,
    archive: read.ENABLE_INTERNAL_S3_UPLOAD
      ? {
          natsServers: read.NATS_URL,
          handoffDeadlineMs: read.HANDOFF_DEADLINE_MS,
          spoolDirectory: read.SPOOL_DIR,
          spoolMaxBytes: read.SPOOL_MAX_BYTES,
          bucket: read.S3_BUCKET,
          prefix: read.S3_PREFIX,
        }
      : undefined,
    logLevel: read.LOG_LEVEL,
  };
}
