import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Answer, Exchange, RequestTrace, Site } from './exchange.ts';
import { sufferAfterAnswer, sufferBeforeAnswer } from './fault-effects.ts';
import { operate } from './operations.ts';
import { ConnectionGone, readRequestBody, type RequestBody } from './request-body.ts';
import type { RequestLog, RequestRecord } from './request-log.ts';
import { type RequestTarget, requestTarget } from './request-target.ts';
import { errorDocument, S3Error } from './s3-error.ts';

/** Serves one request to its end; never rejects. */
export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export function createRequestHandler(site: Site, log: RequestLog): RequestHandler {
  return async (request, response) => {
    const gone = new AbortController();
    const onClose = () => gone.abort();
    response.once('close', onClose);
    const record = recorder(request, site, log);
    try {
      await serve(request, response, site, record, gone.signal);
    } catch {
      // Nobody is left to answer: the client or a fault ended the connection.
      record.finish(undefined, undefined);
      request.socket.destroy();
    } finally {
      response.removeListener('close', onClose);
    }
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  site: Site,
  record: Recorder,
  signal: AbortSignal,
): Promise<void> {
  const requestId = randomBytes(8).toString('hex').toUpperCase();
  response.sendDate = false; // clients measure their clock against this server's
  response.setHeader('date', site.clock().toUTCString());
  response.setHeader('server', 'local-s3');
  response.setHeader('x-amz-request-id', requestId);
  response.setHeader('x-amz-id-2', randomBytes(24).toString('base64'));
  const body = readRequestBody(request, { idleTimeoutMs: site.bodyIdleTimeoutMs, signal });
  const { trace } = record;
  let exchange: Exchange | undefined;
  let answer: Answer;
  let errorCode: string | undefined;
  record.countBytes(() => body.receivedBytes);
  try {
    const target = requestTarget(request.url ?? '', request.headers.host ?? '');
    record.target(target);
    trace.key = target.key;
    exchange = { request, target, now: record.time, body, trace };
    answer = await operate(exchange, site);
  } catch (error) {
    const s3Error = asS3Error(error);
    if (s3Error !== error) trace.failure = error;
    errorCode = s3Error.code;
    answer = await errorAnswer(s3Error, requestId, body, trace);
  }
  if (exchange !== undefined) {
    try {
      await sufferBeforeAnswer(exchange, signal);
    } catch (error) {
      if (typeof answer.body === 'object') await answer.body.file.close();
      throw error;
    }
    sufferAfterAnswer(exchange, response);
  }
  if (trace.fault?.kind === 'close-after-answer' && trace.fault.announced === true) {
    response.setHeader('connection', 'close');
  }
  record.finish(answer.status, errorCode);
  await send(response, answer, request.method === 'HEAD');
}

/** A fault of the server itself is InternalError; the end of the connection passes through. */
function asS3Error(error: unknown): S3Error {
  if (error instanceof S3Error) return error;
  if (error instanceof ConnectionGone) throw error;
  return new S3Error(500, 'InternalError', 'We encountered an internal error. Please try again.');
}

async function errorAnswer(
  error: S3Error,
  requestId: string,
  body: RequestBody,
  trace: RequestTrace,
): Promise<Answer> {
  const headers: Record<string, string> = { ...error.headers, 'content-type': 'application/xml' };
  if (trace.fault?.kind === 'answer' && trace.fault.beforeBody === true) await body.abandon();
  else if (headers['connection'] !== 'close' && !(await body.drain())) headers['connection'] = 'close';
  return { status: error.status, headers, body: errorDocument(error, requestId) };
}

async function send(response: ServerResponse, answer: Answer, isHead: boolean): Promise<void> {
  const { status, headers = {}, body } = answer;
  if (body === undefined || typeof body === 'string') {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    response.writeHead(status, { ...headers, ...length }).end(isHead ? undefined : body);
    return;
  }
  response.writeHead(status, { ...headers, 'content-length': body.length });
  if (isHead || body.length === 0) {
    await body.file.close();
    response.end();
    return;
  }
  await pipeline(
    body.file.createReadStream({ start: body.start, end: body.start + body.length - 1 }),
    response,
  );
}

interface Recorder {
  readonly time: Date;
  readonly trace: RequestTrace;
  target(target: RequestTarget): void;
  countBytes(read: () => number): void;
  /** Adds the record to the log; only the first call counts. */
  finish(status: number | undefined, errorCode: string | undefined): void;
}

function recorder(request: IncomingMessage, site: Site, log: RequestLog): Recorder {
  const time = site.clock();
  const startedAt = performance.now();
  const trace: RequestTrace = { key: undefined, anonymous: true, fault: undefined, failure: undefined };
  let target: RequestTarget | undefined;
  let receivedBytes: (() => number) | undefined;
  let finished = false;
  return {
    time,
    trace,
    target(known) {
      target = known;
    },
    countBytes(read) {
      receivedBytes = read;
    },
    finish(status, errorCode) {
      if (finished) return;
      finished = true;
      const record: RequestRecord = {
        time,
        method: request.method ?? '',
        bucket: target?.bucket,
        key: trace.key,
        subresource: target?.query.find(([, value]) => value === '')?.[0],
        status,
        errorCode,
        bytesReceived: receivedBytes?.() ?? 0,
        anonymous: trace.anonymous,
        fault: trace.fault?.kind,
        durationMs: performance.now() - startedAt,
        failure: trace.failure,
      };
      log.add(record);
    },
  };
}
