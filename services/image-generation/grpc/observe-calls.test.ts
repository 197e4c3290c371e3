import { once } from 'node:events';
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptor,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  status,
} from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { afterEach, expect, test, vi } from 'vitest';
import type { CallEnd, ObservedCall } from './call-observer.ts';
import { createMessageSizes } from './message-sizes.ts';
import { observeCalls } from './observe-calls.ts';
import { observeUnknownMethods, UNKNOWN_PATH } from './unknown-methods.ts';

const identity = (bytes: Buffer): Buffer => bytes;
const method = (name: string, responseStream: boolean) => ({
  path: `/test.Service/${name}`,
  requestStream: false,
  responseStream,
  requestSerialize: identity,
  responseSerialize: identity,
  requestDeserialize: (bytes: Buffer): Buffer => {
    if (bytes.toString() === 'undecodable') throw new Error('cannot be decoded');
    return bytes;
  },
  responseDeserialize: identity,
});
const SERVICE = {
  unary: method('Unary', false),
  stream: method('Stream', true),
  silent: method('Silent', true),
} satisfies ServiceDefinition;

interface Seen extends ObservedCall {
  firstMessages: number;
  readonly ends: CallEnd[];
}

interface Bench {
  readonly client: Client;
  readonly target: string;
  readonly server: Server;
  readonly seen: Seen[];
  readonly faults: unknown[];
  /** The only call, once it has ended. */
  ended(): Promise<Seen>;
}

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const refuseEverything: ServerInterceptor = (_method, call) => {
  const refused = new ServerInterceptingCall(call);
  process.nextTick(() => refused.sendStatus({ code: status.UNAUTHENTICATED, details: 'no' }));
  return refused;
};

async function bench(more: readonly ServerInterceptor[] = [], onStarted = (): void => {}): Promise<Bench> {
  const seen: Seen[] = [];
  const faults: unknown[] = [];
  const sizes = createMessageSizes();
  const observer = {
    started: (call: ObservedCall) => {
      const entry: Seen = { ...call, firstMessages: 0, ends: [] };
      seen.push(entry);
      onStarted();
      return {
        firstMessage: () => void (entry.firstMessages += 1),
        ended: (end: CallEnd) => void entry.ends.push(end),
      };
    },
  };
  const observe = observeCalls({
    observers: [observer],
    sizes,
    maxCallMs: 60_000,
    onFault: (error) => faults.push(error),
  });
  const server = new Server({
    interceptors: [observe, ...more],
    'grpc.max_receive_message_length': 1024,
  });
  observeUnknownMethods(server, () => {});
  server.addService(sizes.measured(SERVICE), {
    unary: (call: ServerUnaryCall<Buffer, Buffer>, respond: sendUnaryData<Buffer>) =>
      respond(null, call.request),
    stream: (call: ServerWritableStream<Buffer, Buffer>) => {
      const messages = Number(String(call.request));
      for (let i = 0; i < messages; i += 1) call.write(Buffer.alloc(100));
      if (messages === 0) call.emit('error', { code: status.ABORTED, details: 'no' });
      else call.end();
    },
    silent: (call: ServerWritableStream<Buffer, Buffer>) => call.write(Buffer.alloc(7)),
  });
  new HealthImplementation({ '': 'SERVING' }).addToServer(server);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const target = `127.0.0.1:${port}`;
  const client = new Client(target, credentials.createInsecure());
  closers.push(
    () => server.forceShutdown(),
    () => client.close(),
  );
  const ended = async (): Promise<Seen> => {
    await vi.waitFor(() => expect(seen.map(({ ends }) => ends.length)).toEqual([1]), { timeout: 10_000 });
    return seen[0] as Seen;
  };
  return { client, target, server, seen, faults, ended };
}

const openStream = ({ client }: Bench, path: string, body: string, deadlineMs?: number) => {
  const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
  const stream = client.makeServerStreamRequest(
    path,
    identity,
    identity,
    Buffer.from(body),
    new Metadata(),
    options,
  );
  stream.on('error', () => {});
  return stream;
};

const unary = ({ client }: Bench, path: string, body: string): Promise<number> =>
  new Promise((resolve) => {
    client.makeUnaryRequest(path, identity, identity, Buffer.from(body), (error) => {
      resolve(error?.code ?? status.OK);
    });
  });

test('a streamed call is described, counted and ended with OK', async () => {
  const it = await bench();
  openStream(it, '/test.Service/Stream', '3', 60_000).resume();
  const seen = await it.ended();
  expect(seen).toMatchObject({
    path: '/test.Service/Stream',
    service: 'test.Service',
    method: 'Stream',
    type: 'server_stream',
    peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    firstMessages: 1,
    ends: [{ code: status.OK, bytesSent: 300, messagesSent: 3, messagesReceived: 1 }],
  });
  expect(seen.deadline).toBeGreaterThan(Date.now() + 30_000);
});

test('a unary call is counted the same way; without a deadline it says Infinity', async () => {
  const it = await bench();
  expect(await unary(it, '/test.Service/Unary', 'hello')).toBe(status.OK);
  expect(await it.ended()).toMatchObject({
    type: 'unary',
    deadline: Infinity,
    ends: [{ code: status.OK, bytesSent: 5, messagesSent: 1, messagesReceived: 1 }],
  });
});

test("a handler's error is the call's end", async () => {
  const it = await bench();
  openStream(it, '/test.Service/Stream', '0').resume();
  expect(await it.ended()).toMatchObject({ ends: [{ code: status.ABORTED, messagesSent: 0 }] });
});

test('a call that its caller cancels ends as CANCELLED, once', async () => {
  const it = await bench();
  const stream = openStream(it, '/test.Service/Silent', 'x');
  await once(stream, 'data');
  stream.cancel();
  expect(await it.ended()).toMatchObject({ ends: [{ code: status.CANCELLED, messagesSent: 1 }] });
});

test("a caller's own clock ends its call as DEADLINE_EXCEEDED", async () => {
  const it = await bench();
  openStream(it, '/test.Service/Silent', 'x', 600).resume();
  expect(await it.ended()).toMatchObject({ ends: [{ code: status.DEADLINE_EXCEEDED }] });
});

test('a connection that breaks ends its calls as CANCELLED', async () => {
  const it = await bench();
  const session = rawSession(it);
  const request = rawRequest(session, '/test.Service/Silent', 'x');
  await once(request, 'data');
  session.destroy();
  expect(await it.ended()).toMatchObject({ ends: [{ code: status.CANCELLED }] });
});

test("the server's clock ends the call of a caller that keeps waiting as DEADLINE_EXCEEDED", async () => {
  const it = await bench();
  rawRequest(rawSession(it), '/test.Service/Silent', 'x', { 'grpc-timeout': '100m' }).resume();
  expect(await it.ended()).toMatchObject({ ends: [{ code: status.DEADLINE_EXCEEDED }] });
});

test.for([
  ['a message that cannot be decoded', 'undecodable', {}, status.INTERNAL],
  ['a message that is too large', 'x'.repeat(2_000), {}, status.RESOURCE_EXHAUSTED],
  ['a timeout that is none', 'x', { 'grpc-timeout': 'soon' }, status.INTERNAL],
] as const)('%s is answered by grpc-js past all interceptors and has its code all the same', async (row) => {
  const [, body, headers, code] = row;
  const it = await bench();
  rawRequest(rawSession(it), '/test.Service/Unary', body, headers).resume();
  expect(await it.ended()).toMatchObject({ ends: [{ code }] });
});

test('a method that does not exist is one unknown method, whatever the peer calls it', async () => {
  const it = await bench();
  const { client } = it;
  const error = await new Promise<{ code?: number; details?: string } | null>((resolve) => {
    client.makeUnaryRequest('/made.up/By4711', identity, identity, Buffer.from('x'), (failure) =>
      resolve(failure),
    );
  });
  expect(error).toMatchObject({
    code: status.UNIMPLEMENTED,
    details: 'The server does not implement the method /made.up/By4711',
  });
  expect(await it.ended()).toMatchObject({
    path: UNKNOWN_PATH,
    service: 'unknown',
    method: '_OTHER',
    ends: [{ code: status.UNIMPLEMENTED, messagesSent: 0 }],
  });
});

test('unknown methods of the health service are counted, the service itself is not', async () => {
  const it = await bench();
  expect(await unary(it, '/grpc.health.v1.Health/Check', '')).toBe(status.OK);
  expect(await unary(it, '/grpc.health.v1.Health/Chekc', '')).toBe(status.UNIMPLEMENTED);
  expect(await it.ended()).toMatchObject({ path: UNKNOWN_PATH });
});

test('a call that another interceptor refuses before it is started is observed', async () => {
  const it = await bench([refuseEverything]);
  expect(await unary(it, '/test.Service/Unary', 'x')).toBe(status.UNAUTHENTICATED);
  expect(await it.ended()).toMatchObject({ method: 'Unary', ends: [{ code: status.UNAUTHENTICATED }] });
});

test('a call that nobody starts and whose caller leaves is observed', async () => {
  const it = await bench([(_method, call) => new ServerInterceptingCall(call, { start: () => {} })]);
  const session = rawSession(it);
  const request = rawRequest(session, '/test.Service/Unary', 'x');
  // The server has the request by the time it answers the ping that follows it.
  await new Promise<void>((resolve) => void session.ping(() => resolve()));
  request.close(constants.NGHTTP2_CANCEL);
  expect(await it.ended()).toMatchObject({ ends: [{ code: status.CANCELLED }] });
});

test('an observer that throws is reported and harms no call', async () => {
  const it = await bench([], () => {
    throw new Error('of the observer');
  });
  expect(await unary(it, '/test.Service/Unary', 'x')).toBe(status.OK);
  expect(it.faults).toHaveLength(1);
});

test('calls that are cut off by the stop are ended as well', async () => {
  const it = await bench();
  const stream = openStream(it, '/test.Service/Silent', 'x');
  await once(stream, 'data');
  it.server.forceShutdown();
  expect(await it.ended()).toMatchObject({ ends: [{ code: status.CANCELLED }] });
});

function rawSession({ target }: Bench): ClientHttp2Session {
  const session = connect(`http://${target}`);
  session.on('error', () => {});
  closers.push(() => session.destroy());
  return session;
}

function rawRequest(session: ClientHttp2Session, path: string, body: string, headers: object = {}) {
  const request = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  request.on('error', () => {});
  const frame = Buffer.alloc(5 + body.length);
  frame.writeUInt32BE(body.length, 1);
  frame.write(body, 5);
  request.end(frame);
  return request;
}
