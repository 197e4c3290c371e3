import type { Logger } from '../../../runtime/logger.ts';
import { createApiKey } from '../http/api-key.ts';
import { createEngineConnection } from '../http/engine-connection.ts';
import { createEngineFleet, type OwnedEngine } from '../http/engine-fleet.ts';
import { openEngineSocket } from '../http/engine-socket.ts';
import { COMFYUI_CAPACITY, type ComfyuiConfig } from './config.ts';
import { createComfyuiRemote } from './comfyui-remote.ts';

/** Between two questions about a running job, ms: the WebSocket is quicker, as long as it lives. */
const POLL_MS = 1_000;
/** Previews are tens of kilobytes. Finished pictures, which some nodes send here, are fetched instead. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/**
 * Engines that speak ComfyUI's API, running one workflow.
 * @param pollMs For tests.
 */
export function createComfyuiEngine(config: ComfyuiConfig, logger: Logger, pollMs = POLL_MS): OwnedEngine {
  const apiKey = createApiKey(config.apiKey);
  return createEngineFleet({
    name: 'comfyui',
    urls: config.urls,
    capacity: COMFYUI_CAPACITY,
    timeoutMs: config.timeoutMs,
    logger,
    connect(url) {
      // One for the job, the others for its state, cancels, probe and lists.
      const connection = createEngineConnection({ url, connections: COMFYUI_CAPACITY + 4, apiKey });
      return {
        address: connection.address,
        engine: createComfyuiRemote({
          connection,
          openSocket: (path, onMessage, onEnd) =>
            openEngineSocket({ url, path, apiKey, maxMessageBytes: MAX_MESSAGE_BYTES, onMessage, onEnd }),
          workflow: config.workflow,
          logger,
          pollMs,
        }),
      };
    },
  });
}
