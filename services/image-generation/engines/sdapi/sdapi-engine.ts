import type { Logger } from '../../../runtime/logger.ts';
import { createApiKey } from '../http/api-key.ts';
import { createEngineConnection } from '../http/engine-connection.ts';
import { createEngineFleet, type OwnedEngine } from '../http/engine-fleet.ts';
import { SDAPI_CAPACITY, type SdapiConfig } from './config.ts';
import { createSdapiRemote } from './sdapi-remote.ts';

/** Between two questions about a running job, ms. */
const POLL_MS = 250;

/**
 * Engines that speak `/sdapi/v1`: AUTOMATIC1111, Forge, SD.Next, KoboldCpp, the Draw Things app; and
 * stable-diffusion.cpp's sd-server by its own job protocol when it has it.
 * @param pollMs For tests.
 */
export function createSdapiEngine(config: SdapiConfig, logger: Logger, pollMs = POLL_MS): OwnedEngine {
  const apiKey = createApiKey(config.apiKey);
  return createEngineFleet({
    name: 'sdapi',
    urls: config.urls,
    capacity: SDAPI_CAPACITY,
    timeoutMs: config.timeoutMs,
    logger,
    connect(url) {
      // One for the job, the others for progress, interrupt, probe and lists.
      const connection = createEngineConnection({ url, connections: SDAPI_CAPACITY + 4, apiKey });
      return { address: connection.address, engine: createSdapiRemote({ connection, logger, pollMs }) };
    },
  });
}
