/** The HTTP side of the simulators: routes, JSON bodies, connections that can be counted and cut. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface SimulatedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** Parsed JSON; undefined without a body or when it is none. */
  readonly body: unknown;
  readonly text: string;
  /** Aborts when the connection has gone before the answer. */
  readonly gone: AbortSignal;
}

export interface SimulatedAnswer {
  readonly status: number;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is, with this type. */
  readonly raw?: { readonly type: string; readonly body: string | Buffer };
  /** Takes over the response. */
  readonly write?: (response: ServerResponse) => void;
}

/** Answers a request; undefined for a route that does not exist. */
export type Respond = (request: SimulatedRequest) => Promise<SimulatedAnswer | undefined>;

export interface SimulatorHttp {
  readonly url: string;
  readonly server: Server;
  readonly sockets: number;
  kill(): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** Listens on the loopback interface. */
export async function startSimulatorHttp(
  respond: Respond,
  notFound: SimulatedAnswer,
  port = 0,
): Promise<SimulatorHttp> {
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    void handle(request, response, respond, notFound);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const listen = (on: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(on, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
  const kill = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.resetAndDestroy();
    await closed;
  };
  await listen(port);
  const address = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}`,
    server,
    get sockets() {
      return sockets.size;
    },
    kill,
    restart: () => listen(address.port),
    close: kill,
  };
}

async function handle(
  incoming: IncomingMessage,
  response: ServerResponse,
  respond: Respond,
  notFound: SimulatedAnswer,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  incoming.on('error', () => {}); // The connection is cut while the body is read.
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString('utf8');
    const url = new URL(incoming.url ?? '/', 'http://simulator');
    const request: SimulatedRequest = {
      method: incoming.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      headers: incoming.headers,
      body: parsed(text),
      text,
      gone: gone.signal,
    };
    send(response, (await respond(request)) ?? notFound);
  } catch (error) {
    if (!response.headersSent && !response.destroyed) {
      send(response, { status: 599, raw: { type: 'text/plain', body: `simulator: ${String(error)}` } });
    }
  }
}

function send(response: ServerResponse, { status, json, raw, write }: SimulatedAnswer): void {
  if (response.destroyed) return;
  if (write !== undefined) return write(response);
  const type = raw?.type ?? (json === undefined ? undefined : 'application/json');
  const body = raw?.body ?? (json === undefined ? '' : JSON.stringify(json));
  response.writeHead(status, {
    ...(type === undefined ? {} : { 'content-type': type }),
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** An answer of the given type that comes a byte at a time, for ever, until the connection goes. */
export function drip(type: string, beginning: string): SimulatedAnswer {
  return {
    status: 200,
    write(response) {
      response.writeHead(200, { 'content-type': type });
      response.write(beginning);
      const timer = setInterval(() => response.write(' '), 20);
      response.once('close', () => clearInterval(timer));
    },
  };
}
