/** Repeats one pre-encoded call over HTTP/2, counts the bytes of the answers and looks at nothing but their grpc-status. */
import { type ClientHttp2Session, connect } from 'node:http2';
import { type LoadOptions, METHOD_PATH, WINDOW_BITS } from './load-options.ts';

const WINDOW_BYTES = 2 ** WINDOW_BITS - 1;

export interface OwnLoadResult {
  readonly seconds: number;
  /** Payload of HTTP/2 DATA frames. */
  readonly dataBytes: number;
  /** Of each call, ms. */
  readonly latenciesMs: readonly number[];
}

/**
 * @param frame the request as it goes over the wire.
 * @throws {Error} when a call ends with another status than OK, or a connection fails.
 */
export async function generateOwnLoad(options: LoadOptions, frame: Buffer): Promise<OwnLoadResult> {
  const latenciesMs: number[] = [];
  let left = options.calls;
  let dataBytes = 0;
  const callUntilDone = async (session: ClientHttp2Session): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const started = performance.now();
      // Not `+= await`: that would add to the sum of before the call, and others have added to it since.
      const bytes = await call(session, frame);
      dataBytes += bytes;
      latenciesMs.push(performance.now() - started);
    }
  };
  const started = performance.now();
  const sessions = Array.from({ length: options.connections }, () => openSession(options.port));
  try {
    await Promise.all(
      sessions.flatMap((session) => Array.from({ length: options.streams }, () => callUntilDone(session))),
    );
    return { seconds: (performance.now() - started) / 1000, dataBytes, latenciesMs };
  } finally {
    for (const session of sessions) session.destroy();
  }
}

function openSession(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: WINDOW_BYTES } });
  session.once('connect', () => session.setLocalWindowSize(WINDOW_BYTES));
  // Its streams say it as well, and they are waited for.
  session.on('error', () => {});
  return session;
}

/** One call; resolves with the bytes of its answer. */
function call(session: ClientHttp2Session, frame: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': METHOD_PATH,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let bytes = 0;
    let code: unknown;
    // An error that comes before any message has its status in the headers.
    stream.on('response', (headers) => (code = headers['grpc-status']));
    stream.on('trailers', (trailers) => (code = trailers['grpc-status']));
    stream.on('data', (data: Buffer) => (bytes += data.length));
    stream.on('error', reject);
    stream.on('close', () => {
      if (code === '0') resolve(bytes);
      else reject(new Error(`grpc-status ${String(code)}`));
    });
    stream.end(frame);
  });
}
