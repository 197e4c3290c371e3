import { type Dispatcher, Pool } from 'undici';
import { derivedSignal } from '../../../runtime/derived-signal.ts';
import { EngineError } from '../../errors.ts';
import { engineError, networkFailure } from './engine-failure.ts';
import type { ApiKey } from './api-key.ts';
import { readEngineAddress } from './engine-address.ts';
import { retryAfter } from './retry-after.ts';

/** Below uvicorn's 5 s, or requests meet a connection that the other side is closing. */
const KEEP_ALIVE_MS = 4_000;
/** Shorter than the probe's limit, so that a host that drops packets is told from an engine that is slow. */
const CONNECT_TIMEOUT_MS = 2_000;
/** Between two parts of an answer that has begun. */
const BODY_TIMEOUT_MS = 30_000;
/** Largest answer unless the request says otherwise. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
/** Largest answer that holds a picture: a 4096² PNG of noise (50 MB) in base64, and room for what is around it. */
export const MAX_IMAGE_ANSWER_BYTES = 96 * 1024 * 1024;

export interface EngineRequest {
  readonly method: 'GET' | 'POST';
  /** Below the engine's URL, beginning with "/", query included. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Longest until the answer is complete, ms; then the request fails with TIMEOUT. Absent: the signal alone. */
  readonly timeoutMs?: number;
  /** Largest answer. Default 4 MiB. */
  readonly maxBytes?: number;
  /** Longest pause within an answer that has begun, ms; zero for any. Default 30 s. */
  readonly maxPauseMs?: number;
}

/** An answer, read to its end. */
export interface EngineAnswer {
  readonly status: number;
  /** The request's, for messages. */
  readonly path: string;
  /** Lower case, without parameters; empty when the engine sent none. */
  readonly contentType: string;
  /** When to try again, ms, where the engine says it. */
  readonly retryAfterMs?: number | undefined;
  readonly body: Buffer;
}

/** An answer whose body is still on its way. It must be read to its end, left early, or aborted by its signal. */
export interface EngineStream extends Omit<EngineAnswer, 'body'> {
  readonly body: AsyncIterable<Buffer>;
}

/** The way to one engine URL: pooled, kept alive, bounded. Owns its sockets. */
export interface EngineConnection {
  /** URL without a login, for messages. */
  readonly address: string;
  /**
   * Sends and reads the whole answer, whatever its status.
   * @throws {EngineError} UNAVAILABLE, TIMEOUT or BAD_RESPONSE. @throws signal.reason when aborted.
   */
  ask(request: EngineRequest, signal: AbortSignal): Promise<EngineAnswer>;
  /** Sends and returns with the head of the answer. Errors as `ask`, also while the body is read. */
  open(request: EngineRequest, signal: AbortSignal): Promise<EngineStream>;
  /** Drops every connection at once; requests under way fail. */
  close(): Promise<void>;
}

export interface EngineConnectionOptions {
  /** May have a path, and a login for HTTP Basic authentication. */
  readonly url: string;
  /** Requests at once. */
  readonly connections: number;
  readonly apiKey: ApiKey;
}

export function createEngineConnection(options: EngineConnectionOptions): EngineConnection {
  const address = readEngineAddress(options.url);
  const { origin, prefix } = address;
  const pool = new Pool(origin, {
    connections: options.connections,
    connect: { timeout: CONNECT_TIMEOUT_MS },
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: 0, // An engine answers when the picture is done; the caller's deadline governs.
    bodyTimeout: BODY_TIMEOUT_MS,
  });
  const send = async (request: EngineRequest, signal: AbortSignal): Promise<Dispatcher.ResponseData> => {
    const key = await options.apiKey();
    const authorization = address.authorization(key);
    return pool.request({
      method: request.method,
      path: `${prefix}${request.path}`,
      headers: {
        accept: 'application/json, */*;q=0.5',
        ...(authorization === undefined ? {} : { authorization }),
        ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      ...(request.maxPauseMs === undefined ? {} : { bodyTimeout: request.maxPauseMs }),
      signal,
    });
  };
  return {
    address: `${origin}${prefix}`,
    ask: (request, signal) => ask(send, request, signal),
    async open(request, signal) {
      const response = await naming(() => send(request, signal), signal);
      return { ...headOf(response, request), body: parts(response, request, signal) };
    },
    close: () => pool.destroy(),
  };
}

type Send = (request: EngineRequest, signal: AbortSignal) => Promise<Dispatcher.ResponseData>;

async function ask(send: Send, request: EngineRequest, signal: AbortSignal): Promise<EngineAnswer> {
  signal.throwIfAborted();
  const { timeoutMs } = request;
  const limit =
    timeoutMs === undefined
      ? undefined
      : {
          ms: timeoutMs,
          reason: () => engineError('TIMEOUT', `no answer to ${request.path} in ${timeoutMs} ms`),
        };
  const limited = derivedSignal(signal, limit);
  try {
    const response = await naming(() => send(request, limited.signal), limited.signal);
    const chunks: Buffer[] = [];
    for await (const part of parts(response, request, limited.signal)) chunks.push(part);
    return { ...headOf(response, request), body: Buffer.concat(chunks) };
  } finally {
    limited.dispose();
  }
}

/** The body's parts, counted. Leaving early drops the connection. */
async function* parts(
  response: Dispatcher.ResponseData,
  { path, maxBytes = MAX_ANSWER_BYTES }: EngineRequest,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  // Leaving the loop early destroys the body, which undici reports as an error event of its own.
  response.body.on('error', () => {});
  let bytes = 0;
  try {
    for await (const part of response.body as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > maxBytes) throw tooLarge(path, maxBytes);
      yield part;
    }
  } catch (error) {
    throw named(error, signal);
  }
}

function headOf(response: Dispatcher.ResponseData, { path }: EngineRequest): Omit<EngineAnswer, 'body'> {
  const type = response.headers['content-type'];
  const first = Array.isArray(type) ? type[0] : type;
  const contentType = (first ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const retryAfterMs = retryAfter(response.headers, Date.now());
  return { status: response.statusCode, path: withoutQuery(path), contentType, retryAfterMs };
}

/** Queries of links may be signatures. */
const withoutQuery = (path: string): string => path.split('?', 1)[0] ?? path;

const tooLarge = (path: string, maxBytes: number): EngineError =>
  engineError('BAD_RESPONSE', `answer to ${withoutQuery(path)} exceeds ${maxBytes} bytes`);

async function naming<T>(action: () => Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw named(error, signal);
  }
}

/** The signal's reason, an EngineError as it is, anything else by its code. */
function named(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  return error instanceof EngineError ? error : networkFailure(error);
}
