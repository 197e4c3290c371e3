import type { Logger } from '../../../runtime/logger.ts';
import { createApiKey } from '../http/api-key.ts';
import { createEngineConnection } from '../http/engine-connection.ts';
import { createEngineFleet, type OwnedEngine } from '../http/engine-fleet.ts';
import type { OpenaiConfig } from './config.ts';
import { DIALECTS } from './dialects.ts';
import { createOpenaiRemote } from './openai-remote.ts';
import { createPictureLinks } from './picture-links.ts';

/** Jobs at once at an engine that is yet to be recognised. */
const UNKNOWN_CAPACITY = 1;

/** Engines that speak `/v1/images/generations`: OpenAI, vLLM-Omni, SGLang, LocalAI, OpenVINO Model Server, Lemonade. */
export function createOpenaiEngine(config: OpenaiConfig, logger: Logger): OwnedEngine {
  const { urls, dialect, concurrency, loras, imageOrigins } = config;
  const apiKey = createApiKey(config.apiKey);
  const usual = dialect === 'auto' ? UNKNOWN_CAPACITY : DIALECTS[dialect].capacity;
  const capacity = concurrency === undefined ? usual : Math.ceil(concurrency / urls.length);
  return createEngineFleet({
    name: 'openai',
    urls,
    capacity,
    timeoutMs: config.timeoutMs,
    logger,
    connect(url) {
      // One for each job, the others for the probe and the list of models.
      const connection = createEngineConnection({ url, connections: capacity + 2, apiKey });
      const links = createPictureLinks({
        engineUrl: url,
        apiKey,
        otherOrigins: imageOrigins,
        connections: capacity,
      });
      const tools = { connection, links, logger, loras };
      return { address: connection.address, engine: createOpenaiRemote(url, tools, config) };
    },
  });
}
