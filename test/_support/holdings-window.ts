/** A window into what a process under test holds on to: one HTTP request, one collection of garbage, one answer. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import {
  connect,
  createServer as createHttp2Server,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { queryObjects, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Class = Parameters<typeof queryObjects>[0];

/** What a process holds, after a full collection of garbage. */
export interface ProcessHoldings {
  readonly rssBytes: number;
  readonly heapBytes: number;
  /** Buffers outside of the heap, bytes. */
  readonly externalBytes: number;
  /** Active handles and requests of libuv by type. */
  readonly handles: Readonly<Record<string, number>>;
  /** HTTP/2 sessions that are still objects. Counting takes a second or more on a busy machine. */
  readonly sessions: number;
  /** HTTP/2 streams that are still objects. */
  readonly streams: number;
  /** Listeners on `process`. */
  readonly processListeners: number;
}

export interface HoldingsWindow {
  readonly port: number;
  close(): void;
}

/** Opens the window; `more` adds what only the process itself knows. */
export async function openHoldingsWindow(more: () => object): Promise<HoldingsWindow> {
  const classes = await http2Classes();
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const holdings = async (): Promise<object> => {
    for (let round = 0; round < 2; round += 1) {
      collectGarbage();
      await sleep(50); // Finalisers of native objects run between collections.
    }
    return { ...processHoldings(classes), ...more() };
  };
  const server = createServer((_request, response) => {
    response.setHeader('connection', 'close');
    void holdings().then((held) => response.end(JSON.stringify(held)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, close: () => void server.close() };
}

/** Looks through the window of another process. */
export async function lookThrough<H extends ProcessHoldings>(port: number): Promise<H> {
  return (await (await fetch(`http://127.0.0.1:${port}`)).json()) as H;
}

function processHoldings({ Session, Stream }: { Session: Class; Stream: Class }): ProcessHoldings {
  const handles: Record<string, number> = {};
  for (const type of process.getActiveResourcesInfo()) handles[type] = (handles[type] ?? 0) + 1;
  const { rss, heapUsed, external } = process.memoryUsage();
  return {
    rssBytes: rss,
    heapBytes: heapUsed,
    externalBytes: external,
    handles,
    sessions: queryObjects(Session, { format: 'count' }),
    streams: queryObjects(Stream, { format: 'count' }),
    processListeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
  };
}

/** The classes behind the sessions and streams of an HTTP/2 server, which Node does not export. */
async function http2Classes(): Promise<{ Session: Class; Stream: Class }> {
  const server: Http2Server = createHttp2Server((_request, response) => response.end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const seen = Promise.all([once(server, 'session'), once(server, 'stream')]);
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  client.request().resume();
  const [[session], [stream]] = (await seen) as unknown as [[ServerHttp2Session], [ServerHttp2Stream]];
  client.destroy();
  server.close();
  await once(server, 'close');
  return { Session: session.constructor, Stream: stream.constructor };
}
