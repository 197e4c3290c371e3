import { createOpenaiEngine } from '../../../services/image-generation/engines/openai/openai-engine.ts';
import type { OpenaiConfig } from '../../../services/image-generation/engines/openai/config.ts';
import { createLogger } from '../../../services/runtime/logger.ts';
import type { EngineTrial, TrialOptions } from '../../conformance/engine-conformance.ts';
import {
  type OpenaiSimulator,
  type OpenaiSimulatorOptions,
  startOpenaiSimulator,
} from './openai-simulator.ts';

/** The real adapter in front of a simulator. */
export async function openaiTrial(
  simulated: OpenaiSimulatorOptions = {},
  config: Partial<OpenaiConfig> = {},
  { timeoutMs = 60_000 }: TrialOptions = {},
): Promise<EngineTrial & { readonly simulator: OpenaiSimulator; close(): Promise<void> }> {
  const simulator = await startOpenaiSimulator(simulated);
  const lines: string[] = [];
  const logger = createLogger('image-generation', 'debug', { write: (line) => void lines.push(line) });
  const engine = createOpenaiEngine(
    {
      kind: 'openai',
      urls: [simulator.url],
      timeoutMs,
      apiKey: { kind: 'none' },
      concurrency: undefined,
      dialect: simulated.flavour ?? 'openai',
      models: [],
      loras: new Map(),
      imageOrigins: [],
      ...config,
    },
    logger,
  );
  return {
    engine,
    simulator,
    logText: () => lines.join(''),
    async close() {
      await engine.close();
      await simulator.close();
    },
  };
}
