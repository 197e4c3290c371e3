/** The engine that the configuration chooses. Only its own code is loaded. */
import type { Logger } from '../../runtime/logger.ts';
import type { ImageEngine } from '../image-engine.ts';
import type { EngineConfig } from './config.ts';

/** Makes the engine; whoever asked must close it. Engines that live elsewhere need not be there yet. */
export async function createEngine(config: EngineConfig, logger: Logger): Promise<ImageEngine> {
  switch (config.kind) {
    case 'procedural':
      return (await import('./procedural/procedural-engine.ts')).createProceduralEngine();
    case 'comfyui':
      return (await import('./comfyui/comfyui-engine.ts')).createComfyuiEngine(config, logger);
    case 'sdapi':
      return (await import('./sdapi/sdapi-engine.ts')).createSdapiEngine(config, logger);
    case 'openai':
      return (await import('./openai/openai-engine.ts')).createOpenaiEngine(config, logger);
  }
}
