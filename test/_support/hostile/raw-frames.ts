/** HTTP/2 by hand (RFC 9113), so that it can be wrong. */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  resetStream: 3,
  settings: 4,
  ping: 6,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const END_STREAM = 0x1;
export const END_HEADERS = 0x4;

/** @param length What the frame says of its payload's length. */
export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = new Uint8Array(0),
  length = payload.length,
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId >>> 0, 5);
  return Buffer.concat([head, payload]);
}

/** The beginning of a well-behaved connection. */
export const greeting = (): Buffer => Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0)]);

export const GENERATE_PATH = '/sekai.image.v1.ImageGenerationService/GenerateImage';

/** A header block of literal fields without indexing (RFC 7541, 6.2.2), without Huffman codes. */
export function headerBlock(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(
    fields.flatMap(([name, value]) => [
      Buffer.of(0),
      literal(Buffer.from(name)),
      literal(Buffer.from(value)),
    ]),
  );
}

export const callHeaders = (more: readonly (readonly [string, string])[] = []): Buffer =>
  headerBlock([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', GENERATE_PATH],
    [':authority', 'hostile'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    ...more,
  ]);

function literal(bytes: Buffer): Buffer {
  const MOST_IN_PREFIX = 127;
  if (bytes.length < MOST_IN_PREFIX) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const length = [MOST_IN_PREFIX];
  let left = bytes.length - MOST_IN_PREFIX;
  for (; left >= 128; left >>>= 7) length.push((left & 127) | 128);
  return Buffer.concat([Buffer.from([...length, left]), bytes]);
}

/** A gRPC message with its five bytes of head, which may lie. */
export function grpcMessage(payload: Uint8Array, compressed = 0, length = payload.length): Buffer {
  const head = Buffer.alloc(5);
  head[0] = compressed;
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, payload]);
}
