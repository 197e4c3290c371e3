/** Traces by OpenTelemetry, sent as OTLP over HTTP. Nothing is registered globally. */
import { randomUUID } from 'node:crypto';
import {
  type Context,
  ROOT_CONTEXT,
  type Span as OtelSpan,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api';
import { parseKeyPairsIntoRecord, W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base';
import type { Logger } from '../logger.ts';
import { reportDelivery } from './report-delivery.ts';
import type { Span, SpanAttributes, SpanOptions, TraceCarrier, Tracing } from './tracing.ts';
import type { TracingConfig } from './tracing-config.ts';

const KINDS = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const;

/**
 * Records spans in a bounded queue (2048, OTEL_BSP_MAX_QUEUE_SIZE) that is sent in the background; what does not fit
 * while the collector is away is dropped. Neither waits for the collector nor fails because of it.
 */
export function startOtelTracing(config: TracingConfig, logger: Logger): Tracing {
  const exporter = new OTLPTraceExporter({
    url: config.endpoint,
    timeoutMillis: config.timeoutMs,
    ...(config.headers === undefined ? {} : { headers: parseKeyPairsIntoRecord(config.headers) }),
  });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.instance.id': randomUUID(),
      'service.name': config.serviceName,
      ...parseKeyPairsIntoRecord(config.resourceAttributes),
    }),
    sampler: samplerOf(config),
    spanProcessors: [
      new BatchSpanProcessor(reportDelivery(exporter, config.endpoint, logger), {
        scheduledDelayMillis: config.delayMs,
      }),
    ],
  });
  const tracer = provider.getTracer('sekai');
  const propagator = new W3CTraceContextPropagator();
  return {
    start(name, parent, options) {
      const context = propagator.extract(ROOT_CONTEXT, parent, { get: headerOf, keys: Object.keys });
      return startSpan({ tracer, propagator }, name, context, options);
    },
    async close(deadlineMs) {
      const late = new Promise<void>((resolve) => {
        setTimeout(resolve, deadlineMs).unref();
      });
      await Promise.race([provider.shutdown().catch(() => {}), late]);
    },
  };
}

interface SpanMaker {
  readonly tracer: Tracer;
  readonly propagator: W3CTraceContextPropagator;
}

function startSpan(maker: SpanMaker, name: string, context: Context, options: SpanOptions = {}): Span {
  const kind = KINDS[options.kind ?? 'internal'];
  const otel: OtelSpan = maker.tracer.startSpan(name, { kind }, context);
  const own = trace.setSpan(context, otel);
  let ended = false;
  const set = (attributes: SpanAttributes): void => {
    for (const [key, value] of Object.entries(attributes))
      if (value !== undefined) otel.setAttribute(key, value);
  };
  set(options.attributes ?? {});
  const carrier: { traceparent?: string; tracestate?: string } = {};
  maker.propagator.inject(own, carrier, { set: (into, key, value) => Object.assign(into, { [key]: value }) });
  return {
    traceId: otel.spanContext().traceId,
    carrier,
    child: (childName, childOptions) => startSpan(maker, childName, own, childOptions),
    set,
    end(outcome) {
      if (ended) return;
      ended = true;
      if (outcome !== undefined) {
        otel.setAttribute('error.type', outcome.errorType);
        otel.setStatus({
          code: SpanStatusCode.ERROR,
          ...(outcome.message === undefined ? {} : { message: outcome.message }),
        });
      }
      otel.end();
    },
  };
}

const headerOf = (carrier: TraceCarrier, key: string): string | undefined =>
  carrier[key as keyof TraceCarrier];

function samplerOf({ sampler, samplerPart }: TracingConfig): Sampler {
  const roots = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(samplerPart),
  };
  const root = sampler.replace('parentbased_', '') as keyof typeof roots;
  return sampler === root ? roots[root]() : new ParentBasedSampler({ root: roots[root]() });
}
