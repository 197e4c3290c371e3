import type { Socket } from 'node:net';
import { buildConnector, Client, WebSocket } from 'undici';
import type { ApiKey } from './api-key.ts';
import { readEngineAddress } from './engine-address.ts';

const CONNECT_TIMEOUT_MS = 2_000;
/** From the request to the engine's consent, ms. */
const OPEN_TIMEOUT_MS = 3_000;

export interface EngineSocketOptions {
  /** The engine's URL, with http or https. */
  readonly url: string;
  /** Below it, beginning with "/", query included. */
  readonly path: string;
  readonly apiKey: ApiKey;
  /** A larger message ends the connection. */
  readonly maxMessageBytes: number;
  readonly onMessage: (message: string | Buffer) => void;
  /** Once, when no message will come any more; not after `close`. */
  readonly onEnd: () => void;
}

/** A WebSocket to an engine: for news that are welcome and never needed. Nothing here rejects. */
export interface EngineSocket {
  /** Whether it could be opened. */
  readonly opened: Promise<boolean>;
  /** Says goodbye and drops the connection, whether the engine answers or not. Idempotent. */
  close(): void;
}

export function openEngineSocket(options: EngineSocketOptions): EngineSocket {
  const address = readEngineAddress(options.url);
  const { origin, prefix } = address;
  const connector = buildConnector({ timeout: CONNECT_TIMEOUT_MS });
  let raw: Socket | undefined;
  let socket: WebSocket | undefined;
  let closed = false;
  let settle = (_opened: boolean): void => {};
  const opened = new Promise<boolean>((resolve) => {
    settle = resolve;
  });
  const client = new Client(origin, {
    connect: (wanted, done) =>
      connector(wanted, (...result) => {
        raw = result[1] ?? undefined;
        done(...result);
      }),
    headersTimeout: OPEN_TIMEOUT_MS,
    webSocket: { maxPayloadSize: options.maxMessageBytes },
  });
  const close = (): void => {
    if (closed) return;
    closed = true;
    settle(false);
    socket?.close();
    // An upgraded socket is the client's no more; the goodbye is written before it is dropped.
    raw?.end(() => raw?.destroy());
    void client.destroy().catch(() => {});
  };
  const end = (): void => {
    if (closed) return;
    close();
    options.onEnd();
  };
  const open = async (): Promise<void> => {
    const key = await options.apiKey();
    if (closed) return;
    const authorization = address.authorization(key);
    socket = new WebSocket(`${origin.replace(/^http/, 'ws')}${prefix}${options.path}`, {
      dispatcher: client,
      ...(authorization === undefined ? {} : { headers: { authorization } }),
    });
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('open', () => settle(true));
    socket.addEventListener('message', ({ data }: { readonly data: unknown }) => {
      if (closed) return;
      if (typeof data === 'string') options.onMessage(data);
      else if (data instanceof ArrayBuffer) options.onMessage(Buffer.from(data));
    });
    socket.addEventListener('error', end);
    socket.addEventListener('close', end);
  };
  open().catch(end); // The key cannot be read: the requests beside this will say so.
  return { opened, close };
}
