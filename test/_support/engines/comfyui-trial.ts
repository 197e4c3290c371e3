import { comfyuiConfig } from '../../../services/image-generation/engines/comfyui/config.ts';
import { createComfyuiEngine } from '../../../services/image-generation/engines/comfyui/comfyui-engine.ts';
import { createLogger } from '../../../services/runtime/logger.ts';
import type { EngineTrial, TrialOptions } from '../../conformance/engine-conformance.ts';
import { type ComfyuiSimulator, startComfyuiSimulator } from './comfyui-simulator.ts';
import type { ComfyuiSimulatorOptions } from './comfyui-world.ts';

export interface ComfyuiTrialOptions extends TrialOptions, ComfyuiSimulatorOptions {
  readonly workflow?: string;
  readonly pollMs?: number;
}

/** The real adapter in front of a simulator. */
export async function comfyuiTrial({
  timeoutMs = 60_000,
  workflow = 'stable-diffusion',
  pollMs = 40,
  ...options
}: ComfyuiTrialOptions = {}): Promise<
  EngineTrial & { readonly simulator: ComfyuiSimulator; readonly logText: () => string }
> {
  const simulator = await startComfyuiSimulator(options);
  const lines: string[] = [];
  const logger = createLogger('image-generation', 'debug', { write: (line) => void lines.push(line) });
  const apiKey =
    options.token === undefined
      ? ({ kind: 'none' } as const)
      : ({ kind: 'value', value: options.token } as const);
  const remote = { urls: [simulator.url], timeoutMs, apiKey, concurrency: undefined };
  const config = comfyuiConfig(
    remote,
    (name, expected) => {
      throw new Error(`${name}: expected ${expected}`);
    },
    { COMFYUI_WORKFLOW: workflow },
  );
  const engine = createComfyuiEngine(config, logger, pollMs);
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
