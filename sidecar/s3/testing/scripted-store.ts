/** A store for tests that does what a script says, on a real socket: for answers and failures no good store gives. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The whole request body. */
  readonly body: () => Promise<Buffer>;
}

export type Step = (exchange: Exchange) => void | Promise<void>;

export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  /** Form fields of a POST whose body was read, and its file. */
  fields: Record<string, string>;
  file?: Buffer;
}

export interface ScriptedStore {
  readonly url: URL;
  readonly received: readonly Received[];
  /** Sockets ever accepted. */
  readonly sockets: () => number;
  /** Sockets open now. */
  readonly openSockets: () => Promise<number>;
  close(): Promise<void>;
}

/** Answers the n-th request by the n-th step; the last step also answers all further ones. */
export async function startScriptedStore(...steps: readonly Step[]): Promise<ScriptedStore> {
  const received: Received[] = [];
  let accepted = 0;
  const server = createServer((request, response) => {
    const entry: Received = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      fields: {},
    };
    received.push(entry);
    const step = steps[Math.min(received.length, steps.length) - 1];
    const body = (): Promise<Buffer> => readBody(request, entry);
    Promise.resolve(step?.({ request, response, body })).catch(() => response.destroy());
  });
  server.on('connection', () => {
    accepted += 1;
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    received,
    sockets: () => accepted,
    openSockets: () => countConnections(server),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Reads the request, then answers. `body` is text, usually XML. */
export function answer(status: number, body = '', headers: Record<string, string> = {}): Step {
  return async (exchange) => {
    await exchange.body();
    exchange.response.writeHead(status, headers).end(body);
  };
}

/** Reads the request, then answers with an S3 error. `inside` is further XML. */
export const refusal = (
  status: number,
  code: string,
  inside = '',
  headers: Record<string, string> = {},
): Step =>
  answer(
    status,
    `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code>${inside}<RequestId>R1</RequestId></Error>`,
    { 'content-type': 'application/xml', ...headers },
  );

/** What S3 answers to a POST with success_action_status 201. */
export const stored: Step = async (exchange) => {
  const key = (await formOf(exchange.request, await exchange.body())).get('key') as string;
  exchange.response
    .writeHead(201, { etag: '"abc"' })
    .end(`<PostResponse><Location></Location><Key>${key}</Key><ETag>"abc"</ETag></PostResponse>`);
};

/** Cuts the connection off once `bytes` of the request body have come. */
export const resetAfter =
  (bytes: number): Step =>
  async ({ request }) => {
    let seen = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      seen += chunk.length;
      if (seen >= bytes) break;
    }
    request.socket.resetAndDestroy();
  };

/** Reads everything and never answers. */
export const silence: Step = async ({ body }) => {
  await body();
};

async function readBody(request: IncomingMessage, entry: Received): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as Readable as AsyncIterable<Buffer>) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  if (request.method === 'POST' && request.headers['content-type']?.startsWith('multipart/')) {
    const form = await formOf(request, body);
    for (const [name, value] of form) {
      if (typeof value === 'string') entry.fields[name] = value;
      else entry.file = Buffer.from(await value.arrayBuffer());
    }
  }
  return body;
}

function formOf(request: IncomingMessage, body: Buffer): Promise<FormData> {
  return new Response(body, {
    headers: { 'content-type': request.headers['content-type'] ?? '' },
  }).formData();
}

function countConnections(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  });
}
