/**
 * Our own load generator, for machines without h2load: a process that repeats one pre-encoded call over HTTP/2,
 * counts the bytes of the answers and looks at nothing but their grpc-status. Prints its result as JSON.
 */
import { readFileSync } from 'node:fs';
import { type ClientHttp2Session, connect } from 'node:http2';
import { type LoadOptions, METHOD_PATH, WINDOW_BITS } from './measure/load.ts';

const WINDOW_BYTES = 2 ** WINDOW_BITS - 1;
const options = JSON.parse(process.argv[2] ?? '{}') as LoadOptions & { frameFile: string };
const frame = readFileSync(options.frameFile);
const latenciesMs: number[] = [];
let left = options.calls;
let dataBytes = 0;

function call(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const stream = session.request({
      ':method': 'POST',
      ':path': METHOD_PATH,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let code: unknown;
    stream.on('response', (headers) => (code = headers['grpc-status']));
    stream.on('trailers', (trailers) => (code = trailers['grpc-status']));
    stream.on('data', (data: Buffer) => (dataBytes += data.length));
    stream.on('error', reject);
    stream.on('close', () => {
      latenciesMs.push(performance.now() - started);
      if (code === '0') resolve();
      else reject(new Error(`grpc-status ${String(code)}`));
    });
    stream.end(frame);
  });
}

async function callUntilDone(session: ClientHttp2Session): Promise<void> {
  while (left > 0) {
    left -= 1;
    await call(session);
  }
}

const sessions = Array.from({ length: options.connections }, () => {
  const session = connect(`http://127.0.0.1:${options.port}`, {
    settings: { initialWindowSize: WINDOW_BYTES },
  });
  session.once('connect', () => session.setLocalWindowSize(WINDOW_BYTES));
  return session;
});
const started = performance.now();
await Promise.all(
  sessions.flatMap((session) => Array.from({ length: options.streams }, () => callUntilDone(session))),
);
const seconds = (performance.now() - started) / 1000;
for (const session of sessions) session.close();
process.stdout.write(JSON.stringify({ seconds, dataBytes, latenciesMs }));
