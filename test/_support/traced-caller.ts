/** A caller who traces its calls, and what a trace looks like from there. */
import { randomBytes } from 'node:crypto';
import { credentials, makeClientConstructor, Metadata, type ServiceError } from '@grpc/grpc-js';
import type { CollectedSpan } from './otlp-collector.ts';

export interface Caller {
  readonly traceId: string;
  readonly spanId: string;
  readonly metadata: Metadata;
}

/** A caller with a trace of its own. */
export function caller({ sampled = true } = {}): Caller {
  const traceId = randomBytes(16).toString('hex');
  const spanId = randomBytes(8).toString('hex');
  const metadata = new Metadata();
  metadata.set('traceparent', `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`);
  metadata.set('tracestate', 'vendor=1');
  return { traceId, spanId, metadata };
}

/** "parent > child" for each span of a trace, roots as "caller > name". */
export function edges(spans: readonly CollectedSpan[], { traceId, spanId }: Caller): string[] {
  const own = spans.filter((span) => span.traceId === traceId);
  const nameOf = (id: string): string =>
    id === spanId ? 'caller' : (own.find((span) => span.spanId === id)?.name ?? `?${id}`);
  return own.map(({ parentSpanId, name }) => `${nameOf(parentSpanId)} > ${name}`).toSorted();
}

/** Calls a method that the service does not have; resolves with how it ended. */
export function callUnknown(target: string, metadata: Metadata): Promise<ServiceError | null> {
  const bytes = (message: Buffer): Buffer => message;
  const Unknown = makeClientConstructor(
    {
      guess: {
        path: '/sekai.image.v1.ImageGenerationService/Guess',
        requestStream: false,
        responseStream: false,
        requestSerialize: bytes,
        requestDeserialize: bytes,
        responseSerialize: bytes,
        responseDeserialize: bytes,
      },
    },
    'Unknown',
  );
  const client = new Unknown(target, credentials.createInsecure());
  return new Promise((resolve) => {
    client['guess']?.(Buffer.alloc(0), metadata, (error: ServiceError | null) => {
      client.close();
      resolve(error);
    });
  });
}
