import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import type { ListenAddress } from './environment.ts';

/** What a part of the process says about itself. */
export interface Readiness {
  readonly ready: boolean;
  /** Why not, for a person; no secrets. */
  readonly reason?: string;
}

export interface AdminServer {
  /** The port it really listens on. */
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Plain HTTP for operators, apart from the callers' port: `/healthz` (the event loop turns),
 * `/readyz` (200 or 503 with the reason), `/metrics` (Prometheus text).
 */
export async function startAdminServer(
  address: ListenAddress,
  readiness: () => Readiness,
  metrics: Registry,
): Promise<AdminServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?', 1)[0];
    if (path === '/healthz') return answer(response, 200, 'ok\n');
    if (path === '/readyz') {
      const { ready, reason } = readiness();
      return answer(response, ready ? 200 : 503, `${ready ? 'ready' : (reason ?? 'not ready')}\n`);
    }
    if (path === '/metrics') {
      void metrics.metrics().then(
        (body) => answer(response, 200, body, metrics.contentType),
        () => answer(response, 500, 'metrics could not be collected\n'),
      );
      return;
    }
    answer(response, 404, 'not found: /healthz /readyz /metrics\n');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, () => resolve());
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(
  response: ServerResponse,
  status: number,
  body: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body);
}
