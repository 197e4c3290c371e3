/** Composition root of the image service: everything is made here, in order, and handed on by value. */
import { startAdminServer } from '../runtime/admin-server.ts';
import { createByteBudget } from '../runtime/byte-budget.ts';
import type { Running } from '../runtime/lifecycle.ts';
import { createLogger, type Logger } from '../runtime/logger.ts';
import { createAdmission } from './admission.ts';
import type { ImageGenerationConfig } from './config.ts';
import { createSharpImageEncoder } from './encoding/sharp-image-encoder.ts';
import { createProceduralEngine } from './engines/procedural/procedural-engine.ts';
import { createGenerateImage } from './generate-image.ts';
import { createGenerateImageHandler } from './grpc/generate-image-handler.ts';
import { createGetCapabilitiesHandler } from './grpc/get-capabilities-handler.ts';
import { startGrpcServer } from './grpc/server.ts';
import { openArchive } from './handoff/open-archive.ts';
import type { ImageEncoder } from './image-encoder.ts';
import type { ImageEngine } from './image-engine.ts';
import { createMetrics } from './metrics.ts';
import { createPendingWork } from './pending-work.ts';
import type { PaceOptions } from './update-desk.ts';

/** How the stop's time is spent after the calls', ms: on images in the encoder, then on what was handed over. */
const STOP_ENCODING_MS = 5_000;
const STOP_HANDOFF_MS = 10_000;
/** All of a stop after the calls, with 5 s to spare: then the process is stuck, ms. */
const STOP_AFTER_CALLS_MS = STOP_ENCODING_MS + STOP_HANDOFF_MS + 5_000;
/** Kept back for calls that are told at last that their turn does not come, ms. */
const STOP_REFUSAL_MS = 500;

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
  const engine = overrides.engine ?? createProceduralEngine();
  const admission = createAdmission({ maxRunning: config.engineConcurrency, maxQueued: config.engineQueue });
  const handoff = config.archive === undefined ? undefined : await openArchive(config.archive, logger);
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
  ];
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).toReversed()) await close();
    logger.info('image service has stopped');
  };
  try {
    let serving = false;
    const metrics = createMetrics(admission, handoff);
    const admin = await startAdminServer(config.adminListen, () => ({ ready: serving }), metrics);
    closers.push(() => admin.close());
    const { maxCallMs, chunkBytes, stopCallsMs } = config;
    const common = { engine, logger };
    const generating = createGenerateImageHandler({ ...common, generateImage, maxCallMs });
    const archiving = handoff !== undefined;
    const telling = createGetCapabilitiesHandler({ ...common, chunkBytes, archiving });
    const handlers = { generateImage: generating, getCapabilities: telling };
    const grpc = await startGrpcServer(config.grpcListen, handlers, config);
    closers.push(async () => {
      serving = false;
      admission.close(stopCallsMs - STOP_REFUSAL_MS);
      await grpc.stop(stopCallsMs);
    });
    grpc.setServing(true);
    serving = true;
    const ports = { grpcPort: grpc.port, adminPort: admin.port };
    logger.info({ ...ports, engine: engine.name }, 'image service is ready');
    return { ...ports, stopDeadlineMs: stopCallsMs + STOP_AFTER_CALLS_MS, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
