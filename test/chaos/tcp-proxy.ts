/** A TCP proxy that can cut, slow down and silence the connections through it. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** Resets every connection there is. */
  cut(): void;
  /** Holds every piece of at most 64 KiB back for `ms`, in both directions; 0 is off. */
  slow(ms: number): void;
  /** Takes connections but passes nothing on, as a network does that drops packets. */
  silence(on: boolean): void;
  close(): Promise<void>;
}

interface Pair {
  readonly sockets: readonly [Socket, Socket];
  /** Goes on with what was held back by silence. */
  wake(): void;
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  const state = { delayMs: 0, silent: false };
  const server = createServer((inbound) => {
    const outbound = connect(targetPort, '127.0.0.1');
    const wakes = [forward(inbound, outbound, state), forward(outbound, inbound, state)];
    const pair: Pair = { sockets: [inbound, outbound], wake: () => wakes.forEach((wake) => wake()) };
    pairs.add(pair);
    for (const socket of pair.sockets) {
      socket.on('error', () => {}); // 'close' follows.
      socket.once('close', () => {
        pairs.delete(pair);
        for (const other of pair.sockets) other.destroy();
      });
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const cut = (): void => {
    for (const { sockets } of pairs) for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    slow: (ms) => {
      state.delayMs = ms;
    },
    silence(on) {
      state.silent = on;
      if (!on) for (const pair of pairs) pair.wake();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        cut();
      }),
  };
}

/** Passes pieces on one at a time, so that what is in hand stays bounded. Returns the end of a silence. */
function forward(
  from: Socket,
  to: Socket,
  state: { readonly delayMs: number; readonly silent: boolean },
): () => void {
  let held: Buffer | undefined;
  const pass = (): void => {
    if (held === undefined || state.silent) return;
    const piece = held;
    held = undefined;
    if (to.destroyed || to.write(piece)) from.resume();
    else to.once('drain', () => from.resume());
  };
  from.on('data', (piece) => {
    from.pause();
    held = piece;
    if (state.delayMs > 0) setTimeout(pass, state.delayMs);
    else pass();
  });
  from.on('end', () => to.end());
  return pass;
}
