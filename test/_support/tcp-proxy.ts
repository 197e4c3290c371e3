/** A wire that can be cut: forwards connections on the loopback until then. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  readonly target: string;
  readonly connections: number;
  /** Breaks every connection without a word, as when a machine goes away. */
  cut(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** @param localAddress Where its connections seem to come from: any 127.x.y.z, to be a caller of its own. */
export async function startTcpProxy(port: number, localAddress = '127.0.0.1'): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  };
  const server = createServer((near) => {
    const far = connect({ port, host: '127.0.0.1', localAddress });
    keep(near);
    keep(far);
    near.pipe(far).pipe(near);
    near.once('close', () => far.destroy());
    far.once('close', () => near.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    target: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return sockets.size / 2;
    },
    cut,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      cut();
      await closed;
    },
  };
}
