/** The server's side of RFC 6455, as much as a simulator needs: messages out, closing, and a look at what comes in. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** RFC 6455, section 1.3. */
const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

export interface ServerSocket {
  sendText(text: string): void;
  sendBinary(data: Buffer): void;
  /** Cuts the connection without a goodbye. */
  cut(): void;
}

/** Consents to an upgrade. */
export function acceptWebSocket(request: IncomingMessage, socket: Socket, onClose: () => void): ServerSocket {
  const key = request.headers['sec-websocket-key'] ?? '';
  const accept = createHash('sha1').update(`${key}${ACCEPT_GUID}`).digest('base64');
  const head = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
  socket.write(`${[...head, `Sec-WebSocket-Accept: ${accept}`].join('\r\n')}\r\n\r\n`);
  const send = (opcode: number, payload: Buffer): void => {
    if (socket.writable) socket.write(frame(opcode, payload));
  };
  let pending = Buffer.alloc(0);
  socket.on('data', (data: Buffer) => {
    pending = Buffer.concat([pending, data]);
    for (let next = readFrame(pending); next !== undefined; next = readFrame(pending)) {
      pending = pending.subarray(next.bytes);
      if (next.opcode === PING) send(PONG, next.payload);
      if (next.opcode === CLOSE) {
        send(CLOSE, next.payload);
        socket.end();
      }
    }
  });
  socket.on('error', () => {});
  socket.once('close', onClose);
  return {
    sendText: (text) => send(TEXT, Buffer.from(text)),
    sendBinary: (data) => send(BINARY, data),
    cut: () => void socket.resetAndDestroy(),
  };
}

/** One unmasked frame with FIN: section 5.2. */
function frame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const head = Buffer.alloc(2 + extended);
  head[0] = 0x80 | opcode;
  head[1] = extended === 0 ? length : extended === 2 ? 126 : 127;
  if (extended === 2) head.writeUInt16BE(length, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}

interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
  /** Of the whole frame. */
  readonly bytes: number;
}

/** The first frame, once it is complete. Clients mask theirs: section 5.3. */
function readFrame(data: Buffer): Frame | undefined {
  if (data.length < 2) return undefined;
  const short = (data[1] ?? 0) & 0x7f;
  const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
  if (data.length < 6 + extended) return undefined;
  const length =
    extended === 0 ? short : extended === 2 ? data.readUInt16BE(2) : Number(data.readBigUInt64BE(2));
  const start = 6 + extended;
  if (data.length < start + length) return undefined;
  const mask = data.subarray(2 + extended, start);
  const payload = Buffer.from(data.subarray(start, start + length));
  for (let i = 0; i < length; i += 1) payload[i] = (payload[i] ?? 0) ^ (mask[i % 4] ?? 0);
  return { opcode: (data[0] ?? 0) & 0x0f, payload, bytes: start + length };
}
