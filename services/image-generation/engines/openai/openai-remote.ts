import { isConnectionFailure, statusFailure } from '../http/engine-failure.ts';
import type { RemoteEngine } from '../http/remote-engine.ts';
import { findPlace, likelyBase, type Place, type PlaceSettings } from './find-place.ts';
import { generateOnOpenai, type OpenaiTools } from './openai-job.ts';

/** Answers of something in front of an engine that is not there, and of an engine that does not know our key. */
const NOT_THERE: ReadonlySet<number> = new Set([401, 502, 503, 504]);

/** One engine URL that speaks the OpenAI images protocol. */
export function createOpenaiRemote(url: string, tools: OpenaiTools, settings: PlaceSettings): RemoteEngine {
  const { connection, links } = tools;
  let place: Place | undefined;
  const look = async (signal: AbortSignal): Promise<Place> => {
    place = await findPlace(connection, url, settings, signal);
    return place;
  };
  return {
    async probe(signal) {
      const path = `${place?.base ?? likelyBase(url, settings)}/models`;
      const answer = await connection.ask({ method: 'GET', path }, signal);
      if (NOT_THERE.has(answer.status)) throw statusFailure(answer, answer.body.toString('utf8', 0, 500), []);
    },
    capabilities: async (signal) => (await look(signal)).capabilities,
    async *generate(job, run) {
      try {
        yield* generateOnOpenai(tools, place ?? (await look(run.signal)), job, run);
      } catch (error) {
        if (isConnectionFailure(error)) place = undefined; // Something else may come up there.
        throw error;
      }
    },
    async close() {
      await Promise.all([connection.close(), links.close()]);
    },
  };
}
