/** Composition root of the image service: everything is made here, in order, and handed on by value. */
import { startAdminServer } from '../runtime/admin-server.ts';
import { createByteBudget } from '../runtime/byte-budget.ts';
import type { Running } from '../runtime/lifecycle.ts';
import { createLogger, type Logger } from '../runtime/logger.ts';
import { type Admission, createAdmission } from './admission.ts';
import type { ImageGenerationConfig } from './config.ts';
import { createSharpImageEncoder } from './encoding/sharp-image-encoder.ts';
import { createEngine } from './engines/create-engine.ts';
import { createGenerateImage } from './generate-image.ts';
import { createGenerateImageHandler } from './grpc/generate-image-handler.ts';
import { createGetCapabilitiesHandler } from './grpc/get-capabilities-handler.ts';
import { startGrpcServer } from './grpc/server.ts';
import { openArchive } from './handoff/open-archive.ts';
import type { ImageEncoder } from './image-encoder.ts';
import type { ImageEngine } from './image-engine.ts';
import { createMetrics } from './metrics.ts';
import { createPendingWork } from './pending-work.ts';
import { createServiceReadiness } from './service-readiness.ts';
import type { PaceOptions } from './update-desk.ts';

/** How the stop's time is spent, ms: running calls first, then images in the encoder, then what was handed over. */
export const STOP_CALLS_MS = 30_000;
export const STOP_ENCODING_MS = 5_000;
export const STOP_HANDOFF_MS = 10_000;

/** Generations at once, for an engine that does not say how many it can do. */
const DEFAULT_CONCURRENCY = 4;

export interface ImageGeneration extends Running {
  readonly grpcPort: number;
  readonly adminPort: number;
}

/** What tests put in the place of the real thing. */
export interface ImageGenerationOverrides {
  readonly engine?: ImageEngine;
  readonly encoder?: ImageEncoder;
  readonly logger?: Logger;
  readonly pace?: PaceOptions;
}

/** Starts the service; on return it serves. Whatever fails on the way leaves nothing running. */
export async function startImageGeneration(
  config: ImageGenerationConfig,
  overrides: ImageGenerationOverrides = {},
): Promise<ImageGeneration> {
  const logger = overrides.logger ?? createLogger('image-generation', config.logLevel);
  const handoff = config.archive === undefined ? undefined : await openArchive(config.archive, logger);
  const engine = overrides.engine ?? (await createEngine(config.engine, logger));
  const admission = createEngineAdmission(config, engine);
  const archivings = createPendingWork();
  const generateImage = createGenerateImage({
    engine,
    encoder: overrides.encoder ?? createSharpImageEncoder(),
    onArchiving: archivings.add,
    admission,
    archive: handoff?.archive,
    storedPairs: handoff?.storedPairs,
    logger,
    handoffDeadlineMs: config.archive?.handoffDeadlineMs ?? 0,
    chunkBytes: config.chunkBytes,
    deliveries: createByteBudget(config.deliveryMaxBytes),
    ...(overrides.pace ? { pace: overrides.pace } : {}),
  });
  const closers: (() => Promise<void>)[] = [
    async () => {
      // Images that callers no longer wait for may still be on their way from the encoder to the hand-off.
      await archivings.settled(STOP_ENCODING_MS);
      await handoff?.close(STOP_HANDOFF_MS);
    },
    async () => engine.close?.(),
  ];
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).toReversed()) await close();
    logger.info('image service has stopped');
  };
  try {
    const readiness = createServiceReadiness(engine.health);
    const metrics = createMetrics(admission, handoff);
    const admin = await startAdminServer(config.adminListen, readiness.now, metrics);
    closers.push(() => admin.close());
    const { maxCallMs, chunkBytes } = config;
    const archiving = handoff !== undefined;
    const grpc = await startGrpcServer(config.grpcListen, {
      generateImage: createGenerateImageHandler({ engine, generateImage, logger, maxCallMs }),
      getCapabilities: createGetCapabilitiesHandler({ engine, chunkBytes, archiving, logger }),
    });
    closers.push(async () => {
      readiness.end();
      admission.close();
      await grpc.stop(STOP_CALLS_MS);
    });
    readiness.begin((ready) => grpc.setServing(ready));
    logger.info(
      { grpcPort: grpc.port, adminPort: admin.port, engine: engine.name },
      'image service is ready',
    );
    return { grpcPort: grpc.port, adminPort: admin.port, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** As many running at once as configured, or as the engine can do. */
const createEngineAdmission = (config: ImageGenerationConfig, { capacity }: ImageEngine): Admission =>
  createAdmission({
    maxRunning: config.engineConcurrency ?? capacity ?? DEFAULT_CONCURRENCY,
    maxQueued: config.engineQueue,
  });
