import type { Logger } from '../../../runtime/logger.ts';
import type { EngineConnection } from '../http/engine-connection.ts';
import { isConnectionFailure, statusFailure } from '../http/engine-failure.ts';
import type { RemoteEngine } from '../http/remote-engine.ts';
import { type Dialect, findDialect } from './dialect.ts';
import { generateOnSdCpp } from './sdcpp-job.ts';
import { generateOnWebui } from './webui-job.ts';

/** One engine URL and how it is asked. */
export interface SdapiTools {
  readonly connection: EngineConnection;
  readonly logger: Logger;
  /** Between two questions about a running job, ms. */
  readonly pollMs: number;
}

/** One engine that speaks sdapi, in whichever dialect it turns out to have. */
export function createSdapiRemote(tools: SdapiTools): RemoteEngine {
  const { connection } = tools;
  let dialect: Dialect | undefined;
  const look = async (signal: AbortSignal): Promise<Dialect> => {
    dialect = await findDialect(connection, signal);
    return dialect;
  };
  return {
    async probe(signal) {
      const answer = await connection.ask({ method: 'GET', path: '/sdapi/v1/samplers' }, signal);
      // 404 will do: the Draw Things app has no route that only reads.
      const refuses = answer.status === 401 || answer.status === 403 || answer.status >= 500;
      if (refuses) throw statusFailure(answer, answer.body.toString('utf8', 0, 2_000), []);
    },
    async capabilities(signal) {
      return (await look(signal)).capabilities;
    },
    async renewCapabilities(signal) {
      // Whoever does not have such a route answers 404, and lists what is there anyway.
      await connection.ask({ method: 'POST', path: '/sdapi/v1/refresh-loras' }, signal);
      await connection.ask({ method: 'POST', path: '/sdapi/v1/refresh-checkpoints' }, signal);
      return (await look(signal)).capabilities;
    },
    async *generate(job, run) {
      try {
        const known = dialect ?? (await look(run.signal));
        if (known.kind === 'sdcpp') yield* generateOnSdCpp(tools, known, job, run);
        else yield* generateOnWebui(tools, known, job, run);
      } catch (error) {
        if (isConnectionFailure(error)) dialect = undefined; // Something else may come up there.
        throw error;
      }
    },
    close: () => connection.close(),
  };
}
