/** Entry of a process: the image service with the noise engine, and a window into what it holds on to. */
import { setTimeout as sleep } from 'node:timers/promises';
import { imageGenerationConfig } from '../../services/image-generation/config.ts';
import { startImageGeneration } from '../../services/image-generation/image-generation.ts';
import { createLogger } from '../../services/runtime/logger.ts';
import { runUntilSignal } from '../../services/runtime/lifecycle.ts';
import { openHoldingsWindow, type ProcessHoldings } from './holdings-window.ts';
import { createNoiseEngine } from './noise-engine.ts';

export interface Holdings extends ProcessHoldings {
  readonly enginesRunning: number;
  readonly enginesStarted: number;
}

async function start() {
  let enginesRunning = 0;
  let enginesStarted = 0;
  const window = await openHoldingsWindow(() => ({ enginesRunning, enginesStarted }));
  const engine = createNoiseEngine({
    steps: 3,
    beforeStep: async (_job, step, signal) => {
      if (step === 1) {
        enginesRunning += 1;
        enginesStarted += 1;
      }
      await sleep(Math.random() * 6, undefined, { signal });
    },
    onEnd: () => {
      enginesRunning -= 1;
    },
  });
  const logger = createLogger('image-generation', 'silent');
  const service = await startImageGeneration(imageGenerationConfig(process.env), { engine, logger });
  const ports = { grpcPort: service.grpcPort, holdingsPort: window.port };
  console.log(JSON.stringify({ msg: 'soak service is ready', ...ports }));
  return {
    async stop() {
      window.close();
      await service.stop();
    },
  };
}

await runUntilSignal(start, { stopDeadlineMs: 30_000 });
