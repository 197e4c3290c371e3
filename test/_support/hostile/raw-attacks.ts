/** Peers that speak HTTP/2 wrongly, or not at all: what each of them sends over one connection. */
import type { SeededRandom } from '../../chaos/random.ts';
import {
  callHeaders,
  END_HEADERS,
  END_STREAM,
  FRAME,
  frame,
  greeting,
  grpcMessage,
  PREFACE,
} from './raw-frames.ts';

export interface RawAttack {
  /** What is written, piece by piece. */
  readonly pieces: readonly Buffer[];
  /** Frames in it, or one for what has no frames. */
  readonly frames: number;
}

export function randomBytes(random: SeededRandom, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let index = 0; index < length; index += 1) bytes[index] = random.integer(0, 255);
  return bytes;
}

function noise(random: SeededRandom): RawAttack {
  const bytes = randomBytes(random, random.integer(1, 1_500));
  return { pieces: random.next() < 0.5 ? [bytes] : [PREFACE, bytes], frames: 1 };
}

function randomFrame(random: SeededRandom): Buffer {
  const payload = randomBytes(random, random.integer(0, 100));
  const lies = random.next() < 0.1;
  const length = lies ? random.integer(0, 0xff_ffff) : payload.length;
  const streamId = random.next() < 0.8 ? random.integer(0, 20) : random.integer(0, 0xffff_ffff);
  return frame(random.integer(0, 12), random.integer(0, 255), streamId, payload, length);
}

function randomFrames(random: SeededRandom): RawAttack {
  const frames = Array.from({ length: random.integer(1, 30) }, () => randomFrame(random));
  return { pieces: [greeting(), ...frames], frames: frames.length };
}

function truncatedFrame(random: SeededRandom): RawAttack {
  const type = random.pick(Object.values(FRAME));
  const payload = randomBytes(random, random.integer(0, 200));
  const cut = frame(type, 0, random.integer(0, 3), payload, payload.length + random.integer(1, 16_000));
  return { pieces: [greeting(), cut.subarray(0, random.integer(1, cut.length))], frames: 1 };
}

/** A good call whose message is wrong, in pieces, perhaps reset or cut off in the middle. */
function brokenMessage(random: SeededRandom): RawAttack {
  const payload = randomBytes(random, random.integer(0, 300));
  const length = random.pick([payload.length, payload.length + 1, 0, 0xffff_ffff, 300_000]);
  const message = grpcMessage(payload, random.pick([0, 1, 2, 255]), length);
  const headers = callHeaders(
    random.next() < 0.3 ? [['grpc-encoding', random.pick(['gzip', 'deflate', 'x'])]] : [],
  );
  const at = random.integer(0, message.length);
  const last = random.pick([
    frame(FRAME.data, END_STREAM, 1, message.subarray(at)),
    frame(FRAME.resetStream, 0, 1, Buffer.of(0, 0, 0, 8)),
    Buffer.alloc(0),
  ]);
  const first = frame(FRAME.data, 0, 1, message.subarray(0, at));
  return { pieces: [greeting(), frame(FRAME.headers, END_HEADERS, 1, headers), first, last], frames: 3 };
}

/** Up to 400 KB of one header, in continuations. */
function giantHeader(random: SeededRandom): RawAttack {
  const block = callHeaders([['x-giant', 'a'.repeat(random.integer(8_000, 400_000))]]);
  const frames: Buffer[] = [];
  for (let offset = 0; offset < block.length; offset += 16_384) {
    const part = block.subarray(offset, offset + 16_384);
    const flags = offset + part.length === block.length ? END_HEADERS : 0;
    frames.push(frame(offset === 0 ? FRAME.headers : FRAME.continuation, flags, 1, part));
  }
  return { pieces: [greeting(), ...frames], frames: frames.length };
}

const FLOODS: readonly ((index: number) => Buffer)[] = [
  () => frame(FRAME.ping, 0, 0, Buffer.alloc(8)),
  () => frame(FRAME.settings, 0, 0),
  () => frame(FRAME.windowUpdate, 0, 0, Buffer.of(0, 0, 0, 1)),
  // Rapid reset (CVE-2023-44487).
  (index) =>
    Buffer.concat([
      frame(FRAME.headers, END_HEADERS, index * 2 + 1, callHeaders()),
      frame(FRAME.resetStream, 0, index * 2 + 1, Buffer.of(0, 0, 0, 8)),
    ]),
  // A header block without end (CVE-2024-27983 and its kin).
  (index) =>
    frame(
      index === 0 ? FRAME.headers : FRAME.continuation,
      0,
      1,
      index === 0 ? callHeaders() : Buffer.alloc(0),
    ),
];

function flood(random: SeededRandom): RawAttack {
  const make = random.pick(FLOODS);
  const frames = Array.from({ length: random.integer(50, 400) }, (_, index) => make(index));
  return { pieces: [greeting(), ...frames], frames: frames.length };
}

export const RAW_ATTACKS = {
  noise,
  randomFrames,
  truncatedFrame,
  brokenMessage,
  giantHeader,
  flood,
} as const satisfies Readonly<Record<string, (random: SeededRandom) => RawAttack>>;
