/** Entry of a process: the image service as it is, with a window into what it holds on to. */
import { imageGenerationConfig } from '../../../services/image-generation/config.ts';
import { startImageGeneration } from '../../../services/image-generation/image-generation.ts';
import { runUntilSignal } from '../../../services/runtime/lifecycle.ts';
import { openHoldingsWindow } from '../holdings-window.ts';

await runUntilSignal(async () => {
  const service = await startImageGeneration(imageGenerationConfig(process.env));
  const window = await openHoldingsWindow(() => ({ callsRunning: service.callsRunning }));
  const ports = { grpcPort: service.grpcPort, holdingsPort: window.port };
  console.log(JSON.stringify({ level: 'info', msg: 'watched service is ready', ...ports }));
  return {
    stopDeadlineMs: service.stopDeadlineMs ?? 30_000,
    async stop() {
      window.close();
      await service.stop();
    },
  };
});
