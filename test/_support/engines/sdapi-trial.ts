import { createSdapiEngine } from '../../../services/image-generation/engines/sdapi/sdapi-engine.ts';
import { createLogger } from '../../../services/runtime/logger.ts';
import type { EngineTrial, TrialOptions } from '../../conformance/engine-conformance.ts';
import type { EngineSimulator } from './engine-simulator.ts';

/** The real adapter in front of a simulator. */
export async function sdapiTrial<S extends EngineSimulator>(
  start: () => Promise<S>,
  { timeoutMs = 60_000 }: TrialOptions = {},
  moreUrls: readonly string[] = [],
): Promise<EngineTrial & { readonly simulator: S }> {
  const simulator = await start();
  const lines: string[] = [];
  const logger = createLogger('image-generation', 'debug', { write: (line) => void lines.push(line) });
  const engine = createSdapiEngine(
    {
      kind: 'sdapi',
      urls: [simulator.url, ...moreUrls],
      timeoutMs,
      apiKey: { kind: 'none' },
      concurrency: undefined,
    },
    logger,
    20,
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
