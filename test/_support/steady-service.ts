/**
 * The image service as a process, with an engine that takes a fixed time for an image: its capacity is known; and
 * with a window into what it holds on to.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { imageGenerationConfig } from '../../services/image-generation/config.ts';
import { startImageGeneration } from '../../services/image-generation/image-generation.ts';
import { runUntilSignal } from '../../services/runtime/lifecycle.ts';
import { openHoldingsWindow } from './holdings-window.ts';
import { createNoiseEngine } from './noise-engine.ts';

const generationMs = Number(process.env['TEST_GENERATION_MS']);
const engine = createNoiseEngine({
  steps: 1,
  beforeStep: (_job, _step, signal) => sleep(generationMs, undefined, { signal }),
});
await runUntilSignal(async () => {
  const service = await startImageGeneration(imageGenerationConfig(process.env), { engine });
  const window = await openHoldingsWindow(() => ({ callsRunning: service.callsRunning }));
  const { grpcPort, adminPort } = service;
  const ports = { grpcPort, adminPort, holdingsPort: window.port };
  console.log(JSON.stringify({ msg: 'steady service is ready', ...ports }));
  return {
    stopDeadlineMs: service.stopDeadlineMs ?? 30_000,
    async stop() {
      window.close();
      await service.stop();
    },
  };
});
