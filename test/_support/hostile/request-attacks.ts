/** Requests that are good HTTP/2 and bad gRPC. */
import { type ClientHttp2Session, constants, type OutgoingHttpHeaders } from 'node:http2';
import { GenerateImageRequest } from '../../../proto/gen/sekai/image/v1/image_generation_service.ts';
import type { SeededRandom } from '../../chaos/random.ts';
import { wireRequest } from '../wire-request.ts';
import { randomBytes } from './raw-attacks.ts';
import { GENERATE_PATH, grpcMessage } from './raw-frames.ts';

interface BadRequest {
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
}

const HEADERS: OutgoingHttpHeaders = {
  ':method': 'POST',
  ':path': GENERATE_PATH,
  'content-type': 'application/grpc',
  te: 'trailers',
  // What is good by accident shall not keep the engine busy.
  'grpc-timeout': '100m',
};
/** Refused by us, so that what gets through to us does not cost an image. */
const refused = (): Buffer => Buffer.from(GenerateImageRequest.encode(wireRequest({ width: 8 })).finish());

function wrongCompression(random: SeededRandom): BadRequest {
  const encoding = random.pick([
    {},
    { 'grpc-encoding': 'gzip' },
    { 'grpc-encoding': 'deflate' },
    { 'grpc-encoding': 'zstd' },
  ]);
  return { headers: { ...HEADERS, ...encoding }, body: grpcMessage(refused(), random.integer(1, 255)) };
}

function wrongLength(random: SeededRandom): BadRequest {
  const payload = refused();
  const length = random.pick([
    0,
    1,
    payload.length - 1,
    payload.length + 1,
    4_000_000,
    0x7fff_ffff,
    0xffff_ffff,
  ]);
  return { headers: HEADERS, body: grpcMessage(payload, 0, length) };
}

function invalidProtobuf(random: SeededRandom): BadRequest {
  return { headers: HEADERS, body: grpcMessage(randomBytes(random, random.integer(1, 200))) };
}

/** A good message with some bytes changed. */
function mutatedProtobuf(random: SeededRandom): BadRequest {
  const payload = refused();
  for (let change = random.integer(1, 4); change > 0; change -= 1) {
    payload[random.integer(0, payload.length - 1)] = random.integer(0, 255);
  }
  return { headers: HEADERS, body: grpcMessage(payload) };
}

function wrongPath(random: SeededRandom): BadRequest {
  const path = random.pick([
    '/',
    '/x',
    '/sekai.image.v1.ImageGenerationService/Nope',
    '//',
    `/${'a/'.repeat(500)}`,
    '/grpc.health.v1.Health/Check',
  ]);
  return { headers: { ...HEADERS, ':path': path }, body: grpcMessage(randomBytes(random, 20)) };
}

function wrongHeaders(random: SeededRandom): BadRequest {
  const wrong = random.pick<OutgoingHttpHeaders>([
    { 'content-type': 'text/html' },
    { 'content-type': 'application/grpc+json' },
    { 'content-type': '' },
    { ':method': 'GET' },
    { ':method': 'CONNECTX' },
    { 'grpc-timeout': 'soon' },
    { 'grpc-timeout': '99999999999H' },
    { 'grpc-timeout': '-1S' },
    { 'x-half-bin': '%%%not base64%%%' },
    { traceparent: '00-zz-zz-zz' },
    { 'grpc-accept-encoding': 'a,'.repeat(500) },
    { authorization: `Bearer ${'t'.repeat(3_000)}` },
  ]);
  return { headers: { ...HEADERS, ...wrong }, body: grpcMessage(refused()) };
}

function giantHeaders(random: SeededRandom): BadRequest {
  const many = Array.from({ length: random.integer(1, 100) }, (_, index) => [
    `x-${index}`,
    'v'.repeat(random.integer(1, 600)),
  ]);
  return { headers: { ...HEADERS, ...Object.fromEntries(many) }, body: grpcMessage(refused()) };
}

/** More than a request may be, and several messages where one is due. */
function tooMuch(random: SeededRandom): BadRequest {
  const body =
    random.next() < 0.2
      ? grpcMessage(Buffer.alloc(300_000))
      : Buffer.concat([grpcMessage(refused()), grpcMessage(refused())]);
  return { headers: HEADERS, body };
}

export const REQUEST_ATTACKS = {
  wrongCompression,
  wrongLength,
  invalidProtobuf,
  mutatedProtobuf,
  wrongPath,
  wrongHeaders,
  giantHeaders,
  tooMuch,
} as const satisfies Readonly<Record<string, (random: SeededRandom) => BadRequest>>;

/** How long a request waits for the server's answer, ms: for a machine that has other things to do. */
const PATIENCE_MS = 30_000;

/**
 * Sends one; resolves with whether the server answered, or refused the stream or the connection. Some are left in the
 * middle. What the server answers before it has heard everything is not sent to its end, as gRPC clients do it.
 */
export function send(
  session: ClientHttp2Session,
  { headers, body }: BadRequest,
  random: SeededRandom,
): Promise<boolean> {
  return new Promise((resolve) => {
    const stream = session.request(headers);
    stream.on('error', () => {});
    let answered = true;
    const giveUp = setTimeout(() => {
      // Node's client forgets to close streams that wait for a connection that has broken (seen with 20.20).
      answered = session.closed || session.destroyed;
      stream.close(constants.NGHTTP2_CANCEL);
      session.destroy();
    }, PATIENCE_MS);
    stream.on('end', () => stream.close(constants.NGHTTP2_CANCEL));
    stream.on('close', () => {
      clearTimeout(giveUp);
      resolve(answered);
    });
    stream.resume();
    const way = random.next();
    if (way < 0.1) {
      stream.write(body.subarray(0, random.integer(0, body.length)));
      stream.close(constants.NGHTTP2_CANCEL);
    } else if (way < 0.2) stream.end(body.subarray(0, random.integer(0, body.length)));
    else stream.end(body);
  });
}
