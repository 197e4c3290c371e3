/** Composition root of the image service: everything is made here, in order, and handed on by value. */
import { startAdminServer } from '../runtime/admin-server.ts';
import { createByteBudget } from '../runtime/byte-budget.ts';
import type { Running } from '../runtime/lifecycle.ts';
import { createLogger, type Logger } from '../runtime/logger.ts';
import { openTracing } from '../runtime/tracing/open-tracing.ts';
import type { Tracing } from '../runtime/tracing/tracing.ts';
import { createAdmission } from './admission.ts';
import type { ImageGenerationConfig } from './config.ts';
import { createSharpImageEncoder } from './encoding/sharp-image-encoder.ts';
import { createProceduralEngine } from './engines/procedural/procedural-engine.ts';
import { createGenerateImage } from './generate-image.ts';
import { createHandlers } from './grpc/handlers.ts';
import { startGrpcServer } from './grpc/server.ts';
import { type OpenArchive, openArchive } from './handoff/open-archive.ts';
import type { ImageEncoder } from './image-encoder.ts';
import type { ImageEngine } from './image-engine.ts';
import { createObservation } from './observation.ts';
import { createPendingWork, type PendingWork } from './pending-work.ts';
import type { PaceOptions } from './update-desk.ts';

/** How the stop's time is spent, ms: running calls first, then images in the encoder, then what was handed over. */
export const STOP_CALLS_MS = 30_000;
export const STOP_ENCODING_MS = 5_000;
export const STOP_HANDOFF_MS = 10_000;
/** For the last traces; a collector that does not answer must not hold up the stop. */
export const STOP_TRACES_MS = 2_000;

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
  const tracing = await openTracing(config.tracing, logger);
  const { metrics, observed, watch } = createObservation(logger, config.maxCallMs, tracing);
  const engine = observed.engine(overrides.engine ?? createProceduralEngine());
  const admission = createAdmission({ maxRunning: config.engineConcurrency, maxQueued: config.engineQueue });
  const handoff =
    config.archive && (await openArchive(config.archive, logger, tracing, metrics.handOffSettled));
  const archivings = createPendingWork();
  const deliveries = createByteBudget(config.deliveryMaxBytes);
  const useCase = createGenerateImage({
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
  const closers = [lastSteps(archivings, handoff, tracing)];
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).toReversed()) await close();
    logger.info('image service has stopped');
  };
  try {
    let serving = false;
    metrics.read({ admission, deliveries, deliveryMaxBytes: config.deliveryMaxBytes, handoff });
    const admin = await startAdminServer(config.adminListen, () => ({ ready: serving }), metrics.registry);
    closers.push(() => admin.close());
    const archiving = handoff !== undefined;
    const generateImage = observed.generateImage(useCase);
    const handlers = createHandlers({ ...config, ...watch, engine, generateImage, archiving, logger });
    const grpc = await startGrpcServer(config.grpcListen, handlers, watch);
    closers.push(async () => {
      serving = false;
      admission.close();
      await grpc.stop(STOP_CALLS_MS);
    });
    grpc.setServing(true);
    serving = true;
    const ports = { grpcPort: grpc.port, adminPort: admin.port };
    logger.info({ ...ports, engine: engine.name }, 'image service is ready');
    return { ...ports, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What is left to do when no call runs any more. */
function lastSteps(
  archivings: PendingWork,
  handoff: OpenArchive | undefined,
  tracing: Tracing,
): () => Promise<void> {
  return async () => {
    // Images that callers no longer wait for may still be on their way from the encoder to the hand-off.
    await archivings.settled(STOP_ENCODING_MS);
    await handoff?.close(STOP_HANDOFF_MS);
    await tracing.close(STOP_TRACES_MS);
  };
}
