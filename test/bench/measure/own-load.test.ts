import { once } from 'node:events';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { METHOD_PATH } from './load-options.ts';
import { generateOwnLoad } from './own-load.ts';

const FRAME = Buffer.from([0, 0, 0, 0, 2, 8, 1]);

/** Answers each call with `answer`; says what it got. */
async function startServer(answer: (stream: ServerHttp2Stream) => void) {
  const got = { sessions: 0, paths: new Set<unknown>(), atOnce: 0, mostAtOnce: 0, bodies: new Set<string>() };
  const server = createServer();
  server.on('session', () => (got.sessions += 1));
  server.on('stream', (stream, headers) => {
    got.paths.add(headers[':path']);
    got.mostAtOnce = Math.max(got.mostAtOnce, (got.atOnce += 1));
    stream.on('data', (data: Buffer) => got.bodies.add(data.toString('hex')));
    stream.on('end', () => answer(stream));
    stream.on('error', () => {});
    stream.on('close', () => (got.atOnce -= 1));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, got };
}

function succeed(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200 }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.alloc(100_000));
}

const plan = { calls: 25, connections: 3, streams: 2, minAnswerBytes: 0 };

test('makes as many calls as were asked for, so many at once, and counts their bytes', async () => {
  const { port, got } = await startServer(succeed);
  const { dataBytes, latenciesMs, seconds } = await generateOwnLoad({ ...plan, port }, FRAME);
  expect(dataBytes).toBe(plan.calls * 100_000);
  expect(latenciesMs).toHaveLength(plan.calls);
  expect(Math.max(...latenciesMs) / 1000).toBeLessThanOrEqual(seconds);
  expect(got).toMatchObject({ sessions: 3, paths: new Set([METHOD_PATH]) });
  expect(got.bodies).toEqual(new Set([FRAME.toString('hex')]));
  expect(got.mostAtOnce).toBeLessThanOrEqual(6);
});

test('an answer with another status than OK ends it, also when it is in the headers', async () => {
  const { port } = await startServer((stream) => {
    stream.respond({ ':status': 200, 'grpc-status': '8' }, { endStream: true });
  });
  await expect(generateOwnLoad({ ...plan, port }, FRAME)).rejects.toThrow('grpc-status 8');
});

test('a connection that breaks ends it', async () => {
  const { port } = await startServer((stream) => stream.session?.destroy());
  await expect(generateOwnLoad({ ...plan, port }, FRAME)).rejects.toThrow(
    /grpc-status undefined|canceled|closed|ECONNRESET/,
  );
});

test('a port where nobody listens ends it', async () => {
  await expect(generateOwnLoad({ ...plan, port: 1 }, FRAME)).rejects.toThrow('ECONNREFUSED');
});
