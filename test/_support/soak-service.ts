/** Entry of a process: the image service with the noise engine, and a window into what it holds on to. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, createServer as createHttp2Server, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { queryObjects, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { imageGenerationConfig } from '../../services/image-generation/config.ts';
import { startImageGeneration } from '../../services/image-generation/image-generation.ts';
import { createLogger } from '../../services/runtime/logger.ts';
import { runUntilSignal } from '../../services/runtime/lifecycle.ts';
import { createNoiseEngine } from './noise-engine.ts';

/** What the process holds, after a full collection of garbage. */
export interface Holdings {
  readonly rssBytes: number;
  readonly heapBytes: number;
  /** Active handles and requests of libuv by type. */
  readonly handles: Readonly<Record<string, number>>;
  /** HTTP/2 sessions that are still objects. Counting takes a second or more on a busy machine. */
  readonly sessions: number;
  /** Listeners on `process`. */
  readonly processListeners: number;
  readonly enginesRunning: number;
  readonly enginesStarted: number;
}

/** The class behind the HTTP/2 sessions of a server, which Node does not export. */
async function sessionClass(): Promise<Parameters<typeof queryObjects>[0]> {
  const server: Http2Server = createHttp2Server();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const seen = once(server, 'session');
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const [session] = (await seen) as [{ constructor: Parameters<typeof queryObjects>[0] }];
  client.destroy();
  server.close();
  await once(server, 'close');
  return session.constructor;
}

async function start() {
  const Session = await sessionClass();
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  let enginesRunning = 0;
  let enginesStarted = 0;
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

  const holdings = async (): Promise<Holdings> => {
    for (let round = 0; round < 2; round += 1) {
      collectGarbage();
      await sleep(50); // Finalisers of native objects run between collections.
    }
    const handles: Record<string, number> = {};
    for (const type of process.getActiveResourcesInfo()) handles[type] = (handles[type] ?? 0) + 1;
    const { rss, heapUsed } = process.memoryUsage();
    return {
      rssBytes: rss,
      heapBytes: heapUsed,
      handles,
      sessions: queryObjects(Session, { format: 'count' }),
      processListeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
      enginesRunning,
      enginesStarted,
    };
  };
  const server = createServer((_request, response) => {
    response.setHeader('connection', 'close');
    void holdings().then((held) => response.end(JSON.stringify(held)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const holdingsPort = (server.address() as AddressInfo).port;
  console.log(JSON.stringify({ msg: 'soak service is ready', grpcPort: service.grpcPort, holdingsPort }));
  return {
    async stop() {
      server.close();
      await service.stop();
    },
  };
}

await runUntilSignal(start, { stopDeadlineMs: 30_000 });
