/** What becomes of a call when its peer breaks HTTP/2's rules, or bends them, and keeps the connection. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test, vi } from 'vitest';
import { GenerateImageRequest } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import {
  callHeaders,
  END_HEADERS,
  END_STREAM,
  FRAME,
  frame,
  greeting,
  grpcMessage,
} from '../_support/hostile/raw-frames.ts';
import { startFixture } from '../_support/image-generation-fixture.ts';
import { createNoiseEngine } from '../_support/noise-engine.ts';
import { wireRequest } from '../_support/wire-request.ts';

/** Larger, as JPEG, than the window that a peer grants at first. */
const REQUEST = GenerateImageRequest.encode(wireRequest({ width: 512, height: 512 })).finish();
const GOOD_CALL = [
  frame(FRAME.headers, END_HEADERS, 1, callHeaders()),
  frame(FRAME.data, END_STREAM, 1, grpcMessage(REQUEST)),
];
/** Its length must be five: a connection error of type FRAME_SIZE_ERROR (RFC 9113, 6.3). */
const BAD_FRAME = frame(FRAME.priority, 0, 3, Buffer.alloc(10));
/** SETTINGS_INITIAL_WINDOW_SIZE 0 (6.5.2): nothing may be sent. */
const NO_WINDOW = frame(FRAME.settings, 0, 0, Buffer.of(0, 4, 0, 0, 0, 0));
const NO_ERROR = 0;
const RESET = frame(FRAME.resetStream, 0, 1, Buffer.of(0, 0, 0, NO_ERROR));

/** How the peer begins, how far its call gets, and what it sends then. */
const CASES = [
  ['a frame of the wrong size while the engine works', [], 'in the engine', [BAD_FRAME]],
  ['the same, with events that may not be sent', [NO_WINDOW], 'in the engine', [BAD_FRAME]],
  ['a frame of the wrong size while its image waits to be read', [], 'made', [BAD_FRAME]],
  ['the same, without a byte sent', [NO_WINDOW], 'made', [BAD_FRAME]],
  ['a reset without an error while its image waits to be read', [NO_WINDOW], 'made', [RESET]],
  ['a reset without an error, then a frame of the wrong size', [NO_WINDOW], 'made', [RESET, BAD_FRAME]],
  ['nothing more', [NO_WINDOW], 'made', []],
] as const;

/** Whether its jobs are held until their signal aborts, and how many it has. */
function createWatchedEngine(held: boolean) {
  const jobs = { started: 0, running: 0 };
  const engine = createNoiseEngine({
    steps: 1,
    beforeStep: async (_job, _step, signal) => {
      jobs.started += 1;
      jobs.running += 1;
      if (!held) return;
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      });
    },
    onEnd: () => void (jobs.running -= 1),
  });
  return { engine, jobs };
}

test.each(CASES)(
  'a call ends by its deadline although its peer sends %s',
  async (_what, first, state, last) => {
    const inEngine = state === 'in the engine';
    const { engine, jobs } = createWatchedEngine(inEngine);
    const limits = { ENABLE_INTERNAL_S3_UPLOAD: 'false', MAX_CALL_SECONDS: '2' };
    await using fixture = await startFixture(limits, { engine });
    const { service } = fixture;
    const socket = connect(service.grpcPort, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    await once(socket, 'connect');
    for (const piece of [greeting(), ...first, ...GOOD_CALL]) socket.write(piece);
    await vi.waitFor(() => expect(jobs).toEqual({ started: 1, running: inEngine ? 1 : 0 }), {
      timeout: 10_000,
    });
    for (const piece of last) socket.write(piece);
    // Well before keep-alive ends the connection, and with it the call.
    await vi.waitFor(() => expect(service.callsRunning).toBe(0), { timeout: 15_000 });
    expect(jobs.running).toBe(0);
    socket.destroy();
  },
  40_000,
);
