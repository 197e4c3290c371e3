/** Fetches pictures that an answer links to: from the engine itself, and from nowhere that was not configured. */
import type { ApiKey } from '../http/api-key.ts';
import { createEngineConnection, type EngineConnection } from '../http/engine-connection.ts';
import { engineError, statusFailure } from '../http/engine-failure.ts';

/** A 4096² PNG of noise, and room. */
const MAX_PICTURE_BYTES = 64 * 1024 * 1024;

export interface PictureLinks {
  /** @throws {EngineError} BAD_RESPONSE for a link to anywhere else; redirections are not followed. */
  fetch(link: string, signal: AbortSignal): Promise<Buffer>;
  close(): Promise<void>;
}

export interface PictureLinksOptions {
  /** Its origin is always allowed, and is the only one to be shown the key. */
  readonly engineUrl: string;
  readonly apiKey: ApiKey;
  readonly otherOrigins: readonly string[];
  /** Fetches at once from each. */
  readonly connections: number;
}

export function createPictureLinks(options: PictureLinksOptions): PictureLinks {
  const engine = new URL(options.engineUrl);
  const noKey: ApiKey = async () => undefined;
  const connect = (url: string, apiKey: ApiKey): EngineConnection =>
    createEngineConnection({ url, connections: options.connections, apiKey });
  const root = new URL('/', engine); // With its login.
  const connections = new Map(options.otherOrigins.map((origin) => [origin, connect(origin, noKey)]));
  connections.set(engine.origin, connect(root.href, options.apiKey));
  return {
    async fetch(link, signal) {
      const url = URL.canParse(link, engine.origin) ? new URL(link, engine.origin) : undefined;
      const connection = url === undefined ? undefined : connections.get(url.origin);
      if (url === undefined || connection === undefined) {
        const where = url === undefined ? 'nowhere' : url.origin.slice(0, 200);
        throw engineError('BAD_RESPONSE', `a picture behind a link to ${where}, not in ENGINE_IMAGE_ORIGINS`);
      }
      const path = `${url.pathname}${url.search}`;
      const answer = await connection.ask({ method: 'GET', path, maxBytes: MAX_PICTURE_BYTES }, signal);
      if (answer.status === 200) return answer.body;
      throw statusFailure(answer, answer.body.toString('utf8', 0, 500), []);
    },
    async close() {
      await Promise.all([...connections.values()].map((connection) => connection.close()));
    },
  };
}
