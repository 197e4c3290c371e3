/** Composition root of the image service: everything is made here, in order, and handed on by value. */
import { startAdminServer } from '../runtime/admin-server.ts';
import { createByteBudget } from '../runtime/byte-budget.ts';
import type { Running } from '../runtime/lifecycle.ts';
import { createLogger, type Logger } from '../runtime/logger.ts';
import { openTracing } from '../runtime/tracing/open-tracing.ts';
import { type Admission, createAdmission } from './admission.ts';
import type { ImageGenerationConfig } from './config.ts';
import { createSharpImageEncoder } from './encoding/sharp-image-encoder.ts';
import { createEngine } from './engines/create-engine.ts';
import { createGenerateImage } from './generate-image.ts';
import { createHandlers } from './grpc/handlers.ts';
import { type GrpcServer, type GrpcServerOptions, startGrpcServer } from './grpc/server.ts';
import { openArchive } from './handoff/open-archive.ts';
import type { ImageEncoder } from './image-encoder.ts';
import type { ImageEngine } from './image-engine.ts';
import { createObservation } from './observation.ts';
import { createPendingWork } from './pending-work.ts';
import { createServiceReadiness } from './service-readiness.ts';
import type { PaceOptions } from './update-desk.ts';

/** How the stop's time is spent after the calls', ms: on images in the encoder, then on what was handed over. */
const STOP_ENCODING_MS = 5_000;
const STOP_HANDOFF_MS = 10_000;
/** For the last traces; a collector that does not answer must not hold up the stop. */
const STOP_TRACES_MS = 2_000;
/** All of a stop after the calls, with 5 s to spare: then the process is stuck, ms. */
const STOP_AFTER_CALLS_MS = STOP_ENCODING_MS + STOP_HANDOFF_MS + STOP_TRACES_MS + 5_000;
/** Kept back for calls that are told at last that their turn does not come, ms. */
const STOP_REFUSAL_MS = 500;

/** Generations at once, for an engine that does not say how many it can do. */
const DEFAULT_CONCURRENCY = 4;

export interface ImageGeneration extends Running {
  readonly grpcPort: number;
  readonly adminPort: number;
  /** Calls that have not ended, those that are being refused included. */
  readonly callsRunning: number;
}

/** What tests put in the place of the real thing. */
export interface ImageGenerationOverrides {
  readonly engine?: ImageEngine;
  readonly encoder?: ImageEncoder;
  readonly logger?: Logger;
  readonly pace?: PaceOptions;
  /** How often certificates and tokens are looked at, ms. */
  readonly reload?: { readonly reloadIntervalMs: number };
}

/** Ends one part; the last part that was made ends first. */
type Closer = () => Promise<void>;

/** Starts the service; on return it serves. Whatever fails on the way leaves nothing running. */
export async function startImageGeneration(
  config: ImageGenerationConfig,
  overrides: ImageGenerationOverrides = {},
): Promise<ImageGeneration> {
  const logger = overrides.logger ?? createLogger('image-generation', config.logLevel);
  const closers: Closer[] = [];
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).toReversed()) await close();
    logger.info('image service has stopped');
  };
  try {
    const workshop = await openWorkshop(config, overrides, logger, closers);
    const access = { ...config.security, ...overrides.reload, logger };
    const { grpc, adminPort } = await serve(config, workshop, access, closers);
    const ports = { grpcPort: grpc.port, adminPort };
    logger.info({ ...ports, engine: workshop.engine.name }, 'image service is ready');
    return {
      ...ports,
      get callsRunning() {
        return grpc.callsRunning;
      },
      stopDeadlineMs: config.stopCallsMs + STOP_AFTER_CALLS_MS,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What makes images and hands them over. */
type Workshop = Awaited<ReturnType<typeof openWorkshop>>;

async function openWorkshop(
  config: ImageGenerationConfig,
  overrides: ImageGenerationOverrides,
  logger: Logger,
  closers: Closer[],
) {
  const tracing = await openTracing(config.tracing, logger);
  closers.push(() => tracing.close(STOP_TRACES_MS));
  const { metrics, observed, watch } = createObservation(logger, config.maxCallMs, tracing);
  const engine = observed.engine(overrides.engine ?? (await createEngine(config.engine, logger)));
  closers.push(async () => engine.close?.());
  const admission = createEngineAdmission(config, engine);
  const handoff =
    config.archive && (await openArchive(config.archive, logger, tracing, metrics.handOffSettled));
  const archivings = createPendingWork();
  closers.push(async () => {
    // Images that callers no longer wait for may still be on their way from the encoder to the hand-off.
    await archivings.settled(STOP_ENCODING_MS);
    await handoff?.close(STOP_HANDOFF_MS);
  });
  const deliveries = createByteBudget(config.deliveryMaxBytes);
  const generateImage = createGenerateImage({
    engine,
    encoder: observed.encoder(overrides.encoder ?? createSharpImageEncoder()),
    onArchiving: archivings.add,
    admission,
    archive: handoff?.archive,
    storedPairs: handoff?.storedPairs,
    logger,
    handoffDeadlineMs: config.archive?.handoffDeadlineMs ?? 0,
    chunkBytes: config.chunkBytes,
    deliveries,
    ...(overrides.pace ? { pace: overrides.pace } : {}),
  });
  const { deliveryMaxBytes } = config;
  metrics.read({ engineHealth: engine.health, admission, deliveries, deliveryMaxBytes, handoff });
  const archiving = handoff !== undefined;
  return {
    engine,
    admission,
    archiving,
    generateImage: observed.generateImage(generateImage),
    metrics,
    watch,
  };
}

async function serve(
  config: ImageGenerationConfig,
  { engine, admission, archiving, generateImage, metrics, watch }: Workshop,
  access: GrpcServerOptions['access'],
  closers: Closer[],
): Promise<{ grpc: GrpcServer; adminPort: number }> {
  const readiness = createServiceReadiness(engine.health);
  const admin = await startAdminServer(config.adminListen, readiness.now, metrics.registry);
  closers.push(() => admin.close());
  const handlers = createHandlers({
    ...config,
    ...watch,
    engine,
    generateImage,
    archiving,
    logger: access.logger,
  });
  const { maxConnectionAgeMs } = config;
  const grpc = await startGrpcServer(config.grpcListen, handlers, { watch, access, maxConnectionAgeMs });
  closers.push(async () => {
    readiness.end();
    admission.close(config.stopCallsMs - STOP_REFUSAL_MS);
    await grpc.stop(config.stopCallsMs);
  });
  readiness.begin((ready) => grpc.setServing(ready));
  return { grpc, adminPort: admin.port };
}

/** As many running at once as configured, or as the engine can do. */
const createEngineAdmission = (config: ImageGenerationConfig, { capacity }: ImageEngine): Admission =>
  createAdmission({
    maxRunning: config.engineConcurrency ?? capacity ?? DEFAULT_CONCURRENCY,
    maxQueued: config.engineQueue,
  });
