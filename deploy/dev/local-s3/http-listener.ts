import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { RequestHandler } from './request-handler.ts';

/** The listening socket and every connection it accepted. */
export interface HttpListener {
  readonly port: number;
  /** Closes the port and resets every connection; returns when no request is being handled. Idempotent. */
  close(): Promise<void>;
  /** Listens on the same port again. */
  reopen(): Promise<void>;
}

export async function openListener(
  host: string,
  port: number,
  handle: RequestHandler,
): Promise<HttpListener> {
  const sockets = new Set<Socket>();
  const running = new Set<Promise<void>>();
  const listen = async (on: number): Promise<Server> => {
    const server = createServer((request, response) => {
      const task = handle(request, response).finally(() => running.delete(task));
      running.add(task);
    });
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(on, host, resolve);
    });
    return server;
  };
  let server: Server | undefined = await listen(port);
  const address = server.address() as AddressInfo;
  return {
    port: address.port,
    async close() {
      const closing = server;
      server = undefined;
      if (closing !== undefined) {
        const closed = new Promise<void>((resolve) => {
          closing.close(() => resolve());
        });
        for (const socket of sockets) socket.resetAndDestroy();
        await closed;
      }
      await Promise.all(running);
    },
    async reopen() {
      server ??= await listen(address.port);
    },
  };
}
