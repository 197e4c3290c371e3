/** A collector of traces in this process: OTLP over HTTP, protobuf, as a real one takes it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { vi } from 'vitest';

/** https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto */
export interface CollectedSpan {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  readonly status: 'unset' | 'ok' | 'error';
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Nanoseconds since the epoch. */
  readonly startNs: bigint;
  readonly endNs: bigint;
}

export interface OtlpCollector {
  readonly endpoint: string;
  readonly spans: readonly CollectedSpan[];
  readonly requests: number;
  /** Headers of the last request. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** How requests are treated from now on. */
  behave(as: 'well' | 'refusing' | 'hanging'): void;
  /** The first span that fits, as soon as it is here. */
  span(fits: (span: CollectedSpan) => boolean, timeoutMs?: number): Promise<CollectedSpan>;
  stop(): Promise<void>;
}

export async function startOtlpCollector(): Promise<OtlpCollector> {
  const spans: CollectedSpan[] = [];
  let behaviour: 'well' | 'refusing' | 'hanging' = 'well';
  let requests = 0;
  let headers: OtlpCollector['headers'] = {};
  const server = createServer((request, response) => {
    requests += 1;
    headers = request.headers;
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      if (behaviour === 'hanging') return;
      if (behaviour === 'refusing') return void response.writeHead(403).end('no');
      const body = Buffer.concat(parts);
      const isZipped = request.headers['content-encoding'] === 'gzip';
      if (request.url === '/v1/traces') spans.push(...decode(isZipped ? gunzipSync(body) : body));
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    get requests() {
      return requests;
    },
    get headers() {
      return headers;
    },
    behave: (as) => void (behaviour = as),
    span: (fits, timeout = 15_000) =>
      vi.waitFor(
        () => {
          const found = spans.find(fits);
          if (found === undefined)
            throw new Error(`no such span among ${spans.map(({ name }) => name).join(', ')}`);
          return found;
        },
        { timeout, interval: 20 },
      ),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

type Field = Uint8Array | bigint | number;

/** A message's fields by number, undecoded. */
function fieldsOf(message: Uint8Array): Map<number, Field[]> {
  const reader = new BinaryReader(message);
  const fields = new Map<number, Field[]>();
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    fields.set(number, [...(fields.get(number) ?? []), readField(reader, wireType)]);
  }
  return fields;
}

function readField(reader: BinaryReader, wireType: WireType): Field {
  switch (wireType) {
    case WireType.Varint:
      return BigInt(reader.int64());
    case WireType.Bit64:
      return BigInt(reader.fixed64());
    case WireType.Bit32:
      return reader.fixed32();
    case WireType.LengthDelimited:
      return reader.bytes();
    case WireType.StartGroup:
    case WireType.EndGroup:
      throw new Error('OTLP has no groups');
  }
}

const messages = (fields: Map<number, Field[]>, number: number): Uint8Array[] =>
  (fields.get(number) ?? []).filter((field) => field instanceof Uint8Array);
const bytes = (fields: Map<number, Field[]>, number: number): Buffer =>
  Buffer.from(messages(fields, number)[0] ?? new Uint8Array());
const integer = (fields: Map<number, Field[]>, number: number): bigint => {
  const [value] = fields.get(number) ?? [];
  return typeof value === 'bigint' ? value : 0n;
};

function decode(request: Uint8Array): CollectedSpan[] {
  return messages(fieldsOf(request), 1).flatMap((resourceSpans) => {
    const group = fieldsOf(resourceSpans);
    const resource = attributesOf(fieldsOf(bytes(group, 1)), 1);
    const service = String(resource['service.name']);
    return messages(group, 2).flatMap((scopeSpans) =>
      messages(fieldsOf(scopeSpans), 2).map((span) => spanOf(fieldsOf(span), service)),
    );
  });
}

const KINDS = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
const STATUSES = ['unset', 'ok', 'error'] as const;

const spanOf = (span: Map<number, Field[]>, service: string): CollectedSpan => ({
  service,
  traceId: bytes(span, 1).toString('hex'),
  spanId: bytes(span, 2).toString('hex'),
  parentSpanId: bytes(span, 4).toString('hex'),
  name: bytes(span, 5).toString(),
  kind: KINDS[Number(integer(span, 6))] ?? 'internal',
  startNs: integer(span, 7),
  endNs: integer(span, 8),
  attributes: attributesOf(span, 9),
  status: STATUSES[Number(integer(fieldsOf(bytes(span, 15)), 3))] ?? 'unset',
});

function attributesOf(fields: Map<number, Field[]>, number: number): Record<string, unknown> {
  return Object.fromEntries(
    messages(fields, number).map((pair) => {
      const fieldsOfPair = fieldsOf(pair);
      return [bytes(fieldsOfPair, 1).toString(), valueOf(fieldsOf(bytes(fieldsOfPair, 2)))];
    }),
  );
}

function valueOf(value: Map<number, Field[]>): unknown {
  if (value.has(1)) return bytes(value, 1).toString();
  if (value.has(2)) return integer(value, 2) === 1n;
  if (value.has(3)) return Number(integer(value, 3));
  return undefined;
}
