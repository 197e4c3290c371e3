import type { Logger } from '../../../runtime/logger.ts';
import { askOptional } from '../http/ask-json.ts';
import type { EngineConnection } from '../http/engine-connection.ts';
import { isConnectionFailure, statusFailure } from '../http/engine-failure.ts';
import type { EngineSocket } from '../http/engine-socket.ts';
import { textAt } from '../http/json-reading.ts';
import type { RemoteEngine } from '../http/remote-engine.ts';
import { NotFoundError } from '../../errors.ts';
import { type Catalogue, createCatalogue } from './catalogue.ts';
import { generateOnComfyui } from './comfyui-job.ts';
import { createJobStates, type JobStates } from './job-state.ts';
import { askNodeInfo } from './node-info.ts';
import type { Workflow } from './workflow.ts';

/** One engine URL, what is run there, and how it is asked. */
export interface ComfyuiTools extends ComfyuiRemoteOptions {
  readonly states: JobStates;
  /** ComfyUI's, as far as it is known. */
  version(): string | undefined;
}

export interface ComfyuiRemoteOptions {
  readonly connection: EngineConnection;
  readonly openSocket: (
    path: string,
    onMessage: (message: string | Buffer) => void,
    onEnd: () => void,
  ) => EngineSocket;
  readonly workflow: Workflow;
  readonly logger: Logger;
  /** Between two questions about a running job, ms. */
  readonly pollMs: number;
}

/** One ComfyUI. */
export function createComfyuiRemote(options: ComfyuiRemoteOptions): RemoteEngine {
  const { connection, workflow } = options;
  let catalogue: Catalogue | undefined;
  let version: string | undefined;
  const tools: ComfyuiTools = { ...options, states: createJobStates(connection), version: () => version };
  const look = async (signal: AbortSignal): Promise<Catalogue> => {
    const info = await askNodeInfo(connection, workflow, signal);
    const stats = await askOptional(connection, '/system_stats', signal);
    version = textAt(stats, 'system', 'comfyui_version');
    catalogue = createCatalogue(workflow, info);
    return catalogue;
  };
  return {
    async probe(signal) {
      const answer = await connection.ask({ method: 'GET', path: '/prompt' }, signal);
      if (answer.status >= 300) throw statusFailure(answer, answer.body.toString('utf8', 0, 2_000), []);
    },
    async capabilities(signal) {
      return (await look(signal)).capabilities;
    },
    async *generate(job, run) {
      try {
        yield* generateOnComfyui(tools, catalogue ?? (await look(run.signal)), job, run);
      } catch (error) {
        // Something else may come up there; a file has gone.
        if (isConnectionFailure(error) || error instanceof NotFoundError) catalogue = undefined;
        throw error;
      }
    },
    close: () => connection.close(),
  };
}
