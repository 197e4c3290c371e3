import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Exchange, Site } from './exchange.ts';
import { ConnectionGone } from './request-body.ts';
import { S3Error } from './s3-error.ts';

/**
 * The part of a fault that comes before the operation. Called once per request, as soon as its key is known.
 * @throws {S3Error} for an ordered answer
 * @throws {ConnectionGone} for a reset
 */
export async function sufferFault(exchange: Exchange, { faults }: Site): Promise<void> {
  const { request, body, trace, target } = exchange;
  const fault = faults.take({ method: request.method ?? '', bucket: target.bucket, key: trace.key });
  trace.fault = fault;
  if (fault?.kind === 'reset') {
    body.resetAfter(fault.afterBytes ?? 0);
    if (body.receivedBytes >= (fault.afterBytes ?? 0)) resetConnection(exchange);
  }
  if (fault?.kind === 'slow-drain') body.slowTo(fault.bytesPerSecond);
  if (fault?.kind !== 'answer') return;
  const headers: Record<string, string> = {};
  if (fault.retryAfterSeconds !== undefined) headers['retry-after'] = String(fault.retryAfterSeconds);
  if (fault.closeConnection === true) headers['connection'] = 'close';
  throw new S3Error(fault.status, fault.code, fault.message ?? 'Injected fault.', {}, headers);
}

/**
 * The part of a fault that comes between the operation and its answer.
 * @throws {ConnectionGone} when there will be no answer
 */
export async function sufferBeforeAnswer(exchange: Exchange, signal: AbortSignal): Promise<void> {
  const { fault } = exchange.trace;
  if (fault?.kind === 'store-then-reset' || fault?.kind === 'reset') resetConnection(exchange);
  if (fault?.kind !== 'stall') return;
  try {
    // A timer may not be longer; 2^31 ms is 24 days.
    await delay(Math.min(fault.forMs ?? Number.POSITIVE_INFINITY, 2 ** 31 - 1), undefined, { signal });
  } catch (error) {
    throw new ConnectionGone('ended during a stall', { cause: error });
  }
}

/** The part that comes after the answer has left. */
export function sufferAfterAnswer(exchange: Exchange, response: ServerResponse): void {
  const { fault } = exchange.trace;
  if (fault?.kind !== 'close-after-answer' || fault.announced === true) return;
  // FIN, not RST: the client must get its answer first.
  response.once('finish', () => exchange.request.socket.end());
}

function resetConnection({ request }: Exchange): never {
  request.socket.resetAndDestroy();
  throw new ConnectionGone('reset by an injected fault');
}
