/** A caller that sends requests at a given rate, whatever becomes of them, from a host of its own. */
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { ImageGenerationServiceClient } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { collect } from './image-generation-fixture.ts';
import { richStatus } from './rich-status.ts';
import { startTcpProxy } from './tcp-proxy.ts';
import { wireRequest } from './wire-request.ts';

export interface LoadCallerOptions {
  readonly name: string;
  /** Port of the service. */
  readonly port: number;
  /** Address on the loopback that it calls from. */
  readonly host: string;
  /** Mean of a Poisson process. */
  readonly callsPerSecond: number;
  readonly deadlineMs: number;
}

export interface LoadCount {
  readonly name: string;
  sent: number;
  ok: number;
  refused: number;
  /** Refusals that do not say when to come back. */
  withoutRetryInfo: number;
  /** Calls that ended neither OK nor refused, by code. */
  readonly others: Record<string, number>;
  /** Of calls that ended OK, ms. */
  readonly latenciesMs: number[];
  /** What refusals said, ms. */
  readonly retryAfterMs: number[];
}

/** Calls until the signal aborts, then waits for what is under way. Counts the calls sent while `counting`. */
export async function callForAWhile(
  { name, port, host, callsPerSecond, deadlineMs }: LoadCallerOptions,
  counting: () => boolean,
  until: AbortSignal,
): Promise<LoadCount> {
  await using proxy = await startTcpProxy(port, host);
  const client = new ImageGenerationServiceClient(proxy.target, credentials.createInsecure());
  const count = emptyCount(name);
  const running = new Set<Promise<void>>();
  let dueMs = performance.now();
  while (!until.aborted) {
    const call = callOnce(client, deadlineMs, counting() ? count : emptyCount(name));
    running.add(call);
    void call.finally(() => running.delete(call));
    dueMs += (-Math.log(1 - Math.random()) * 1_000) / callsPerSecond;
    await sleep(Math.max(0, dueMs - performance.now()));
  }
  await Promise.all(running);
  client.close();
  return count;
}

const emptyCount = (name: string): LoadCount => ({
  name,
  sent: 0,
  ok: 0,
  refused: 0,
  withoutRetryInfo: 0,
  others: {},
  latenciesMs: [],
  retryAfterMs: [],
});

async function callOnce(
  client: ImageGenerationServiceClient,
  deadlineMs: number,
  count: LoadCount,
): Promise<void> {
  const sent = performance.now();
  count.sent += 1;
  const request = wireRequest({ width: 64, height: 64 });
  const deadline = Date.now() + deadlineMs;
  const { error } = await collect(client.generateImage(request, new Metadata(), { deadline }));
  if (error === undefined) {
    count.ok += 1;
    count.latenciesMs.push(performance.now() - sent);
  } else if (error.code === status.RESOURCE_EXHAUSTED) {
    count.refused += 1;
    const retryAfterMs = retryInfoOf(error);
    if (retryAfterMs === undefined) count.withoutRetryInfo += 1;
    else count.retryAfterMs.push(retryAfterMs);
  } else {
    const code = status[error.code];
    count.others[code] = (count.others[code] ?? 0) + 1;
  }
}

function retryInfoOf(error: ServiceError): number | undefined {
  try {
    return richStatus(error).retryAfterMs;
  } catch {
    return undefined;
  }
}
