/**
 * The listening socket. grpc-js could open one itself, but it says nothing about refused handshakes and limits
 * neither connections nor the time of a handshake. Its FileWatcherCertificateProvider closes every new connection
 * while a file is missing, empty or half of a new pair, and in the first moment (measured with 1.14.7).
 */
import { type AddressInfo, createServer as createPlainServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls';
import type { ListenAddress } from '../../runtime/environment.ts';
import { createLineBudget, type LineBudget } from '../../runtime/line-budget.ts';
import type { Logger } from '../../runtime/logger.ts';
import { certificateName } from './certificate-name.ts';
import type { TlsCredentials } from './tls-credentials.ts';

export interface ListenerOptions {
  /** Undefined: plaintext (h2c). */
  readonly tls: { readonly credentials: TlsCredentials; readonly clientCertificates: boolean } | undefined;
  /** Connections at once, unfinished handshakes included; more are closed at once. */
  readonly maxConnections: number;
  /** Takes a connection over; with TLS after its handshake and with a good client certificate if one is needed. */
  readonly onConnection: (socket: Socket) => void;
  readonly logger: Logger;
}

export interface Listener {
  /** The port it really listens on. */
  readonly port: number;
  /** For new handshakes; connections that exist keep theirs. Only with TLS. */
  readonly setCredentials: (credentials: TlsCredentials) => void;
  /** Accepts no more connections; those that exist stay. */
  close(): void;
  /** Cuts off whatever is still connected. */
  destroy(): void;
}

/** Longest TLS handshake. Node waits 120 s by default. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** @throws {Error} when the address cannot be listened on. */
export async function startListener(address: ListenAddress, options: ListenerOptions): Promise<Listener> {
  const { onConnection, maxConnections, logger } = options;
  const lines = createLineBudget();
  const secure = options.tls === undefined ? undefined : tlsServer(options.tls, options, lines);
  const server: Server = secure ?? createPlainServer({ noDelay: true }, onConnection);
  server.maxConnections = maxConnections;
  server.on('drop', (dropped) => {
    const facts = { peer: dropped?.remoteAddress, maxConnections };
    lines.spend((leftOut) => logger.warn({ ...facts, leftOut }, 'connection refused: too many'));
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await bind(server, address);
  server.on('error', (error) => logger.error({ err: error }, 'connections cannot be accepted'));
  return {
    port: (server.address() as AddressInfo).port,
    setCredentials: ({ context }) => secure?.setSecureContext(context),
    close: () => void server.close(),
    destroy() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function tlsServer(
  { credentials, clientCertificates }: NonNullable<ListenerOptions['tls']>,
  { onConnection, logger }: ListenerOptions,
  lines: LineBudget,
): TlsServer {
  const refused = (facts: object): void =>
    lines.spend((leftOut) => logger.warn({ ...facts, leftOut }, 'TLS connection refused'));
  const server = createTlsServer({
    ...credentials.context,
    ALPNProtocols: ['h2'],
    requestCert: clientCertificates,
    // Node would close the connection before anybody could say whose it was. We do it, first thing, below.
    rejectUnauthorized: false,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    noDelay: true,
  });
  server.on('secureConnection', (socket) => {
    if (!clientCertificates || socket.authorized) return onConnection(socket);
    refused({ peer: peerOf(socket), ...certificateFault(socket) });
    socket.on('error', () => {}); // Of a peer that goes on sending.
    socket.destroy();
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    const facts = { peer: peerOf(socket), reason: error.code ?? 'UNKNOWN' };
    // Opened and closed again, as probes of load balancers do.
    if (error.code === 'ECONNRESET') logger.debug(facts, 'connection ended before its TLS handshake');
    else refused(facts);
    socket.destroy();
  });
  return server;
}

/** Why a client certificate is not accepted, and whose it says it is. */
function certificateFault(socket: TLSSocket): { reason: string; certificate: string | undefined } {
  const certificate = socket.getPeerCertificate();
  // Without a certificate an empty object.
  if (certificate?.raw === undefined) return { reason: 'NO_CLIENT_CERTIFICATE', certificate: undefined };
  const reason = String(socket.authorizationError ?? 'CLIENT_CERTIFICATE_REFUSED');
  return { reason, certificate: certificateName(certificate) };
}

const peerOf = (socket: TLSSocket): string | undefined =>
  socket.remoteAddress === undefined ? undefined : `${socket.remoteAddress}:${socket.remotePort}`;

function bind(server: Server, { host, port }: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void =>
      reject(
        new Error(`cannot listen on ${host.includes(':') ? `[${host}]` : host}:${port}`, { cause: error }),
      );
    server.once('error', fail);
    server.listen(port, host, () => {
      server.off('error', fail);
      resolve();
    });
  });
}
