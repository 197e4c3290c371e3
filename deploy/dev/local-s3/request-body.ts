import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { S3Error } from './s3-error.ts';

/** After a refusal this much of the rest is taken, so that the client reads its answer, bytes. */
const MAX_DRAINED_BYTES = 64 * 2 ** 20;

/** The client or a fault ended the connection; there is nobody to answer. */
export class ConnectionGone extends Error {
  override readonly name = 'ConnectionGone';
}

/** A request's body, read once, in step with whoever reads it. */
export interface RequestBody extends AsyncIterableIterator<Buffer> {
  readonly receivedBytes: number;
  /** From now on the body is taken at this rate at most. */
  slowTo(bytesPerSecond: number): void;
  /** From now on the connection is reset when this many bytes of the body have arrived. */
  resetAfter(bytes: number): void;
  /** Takes the rest and drops it. @returns false when the rest is too long to be taken */
  drain(): Promise<boolean>;
  /** Leaves the rest to Node, which takes it after the answer. */
  abandon(): Promise<void>;
}

export interface RequestBodyOptions {
  /** A body that pauses longer is refused with RequestTimeout, ms. */
  readonly idleTimeoutMs: number;
  /** Aborts when the connection ends. */
  readonly signal: AbortSignal;
}

export function readRequestBody(request: IncomingMessage, options: RequestBodyOptions): RequestBody {
  const chunks = request.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]();
  let receivedBytes = 0;
  let bytesPerSecond = Number.POSITIVE_INFINITY;
  let resetAtBytes = Number.POSITIVE_INFINITY;

  const resetIfDue = () => {
    if (receivedBytes < resetAtBytes) return;
    request.socket.resetAndDestroy();
    throw new ConnectionGone('reset by an injected fault');
  };
  const body: RequestBody = {
    get receivedBytes() {
      return receivedBytes;
    },
    slowTo(rate) {
      bytesPerSecond = rate;
    },
    resetAfter(bytes) {
      resetAtBytes = bytes;
    },
    async next() {
      resetIfDue();
      const next = await withIdleTimeout(chunks.next(), options.idleTimeoutMs);
      if (next.done === true) return { done: true, value: undefined };
      const chunk = next.value as Buffer;
      receivedBytes += chunk.length;
      resetIfDue();
      if (Number.isFinite(bytesPerSecond))
        await pause((chunk.length / bytesPerSecond) * 1000, options.signal);
      return { done: false, value: chunk };
    },
    async drain() {
      let left = MAX_DRAINED_BYTES;
      try {
        for (;;) {
          const { done, value } = await body.next();
          if (done === true) return true;
          left -= value.length;
          if (left < 0) return false;
        }
      } catch (error) {
        if (error instanceof S3Error) return false; // the rest does not arrive in time
        throw error;
      }
    },
    async abandon() {
      await chunks.return?.();
      request.resume();
    },
    [Symbol.asyncIterator]: () => body,
  };
  return body;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch (error) {
    throw new ConnectionGone('ended during a slow drain', { cause: error });
  }
}

async function withIdleTimeout<T>(next: Promise<T>, idleTimeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const idle = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const message =
        'Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.';
      reject(new S3Error(400, 'RequestTimeout', message, {}, { connection: 'close' }));
    }, idleTimeoutMs);
  });
  try {
    return await Promise.race([next, idle]);
  } catch (error) {
    if (error instanceof S3Error) throw error;
    throw new ConnectionGone('the client ended the connection', { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
