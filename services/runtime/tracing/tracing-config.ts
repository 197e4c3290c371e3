/** The variables of OpenTelemetry that we read ourselves. The exporter honours the rest of OTEL_EXPORTER_OTLP_*. */
import { integer, oneOf, secret, text, url, variable } from '../environment.ts';

/** https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ */
const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

export type SamplerName = (typeof SAMPLERS)[number];

/** Booleans of OpenTelemetry are "true" in any case; everything else is false. */
const otelFlag = (purpose: string) =>
  variable({ expected: '"true" or "false"', purpose }, (value) => value.toLowerCase() === 'true');

const part = (purpose: string) =>
  variable({ expected: 'a number from 0 to 1', purpose }, (value) =>
    /^(?:0|1|0?\.\d+|[01]\.\d+)$/.test(value) && Number(value) <= 1 ? Number(value) : undefined,
  );

export const tracingVariables = {
  OTEL_EXPORTER_OTLP_ENDPOINT: url('Collector; traces go to /v1/traces below it. Unset: no traces.', [
    'http',
    'https',
  ]).optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url('Where traces go, as it is.', ['http', 'https']).optional(),
  OTEL_EXPORTER_OTLP_PROTOCOL: oneOf('How traces are sent.', ['http/protobuf']).prefault('http/protobuf'),
  OTEL_EXPORTER_OTLP_HEADERS: secret('Headers for the collector: name=value, comma-separated.').optional(),
  OTEL_EXPORTER_OTLP_TIMEOUT: integer('Longest sending of one batch, ms.', 1, 600_000).prefault('10000'),
  OTEL_SERVICE_NAME: text('Name of the process in traces.').optional(),
  OTEL_RESOURCE_ATTRIBUTES: text('More about the process: name=value, comma-separated.').optional(),
  OTEL_TRACES_SAMPLER: oneOf('Which traces are recorded.', SAMPLERS).prefault('parentbased_always_on'),
  OTEL_TRACES_SAMPLER_ARG: part('Part of the traces that a traceidratio sampler records.').prefault('1'),
  OTEL_BSP_SCHEDULE_DELAY: integer('Longest a span waits to be sent with others, ms.', 1, 600_000).prefault(
    '5000',
  ),
  OTEL_SDK_DISABLED: otelFlag('No traces, whatever else is set.').prefault('false'),
};

export interface TracingConfig {
  readonly endpoint: string;
  /** Secret: may hold a token. `name=value`, comma-separated, percent-encoded. */
  readonly headers: string | undefined;
  readonly timeoutMs: number;
  readonly delayMs: number;
  readonly serviceName: string;
  /** `name=value`, comma-separated, percent-encoded. */
  readonly resourceAttributes: string;
  readonly sampler: SamplerName;
  /** 0 to 1. */
  readonly samplerPart: number;
}

/** Undefined when no traces are wanted. */
export function tracingConfig(
  read: {
    readonly OTEL_EXPORTER_OTLP_ENDPOINT?: URL | undefined;
    readonly OTEL_EXPORTER_OTLP_TRACES_ENDPOINT?: URL | undefined;
    readonly OTEL_EXPORTER_OTLP_HEADERS?: string | undefined;
    readonly OTEL_EXPORTER_OTLP_TIMEOUT: number;
    readonly OTEL_SERVICE_NAME?: string | undefined;
    readonly OTEL_RESOURCE_ATTRIBUTES?: string | undefined;
    readonly OTEL_TRACES_SAMPLER: SamplerName;
    readonly OTEL_TRACES_SAMPLER_ARG: number;
    readonly OTEL_BSP_SCHEDULE_DELAY: number;
    readonly OTEL_SDK_DISABLED: boolean;
  },
  defaultServiceName: string,
): TracingConfig | undefined {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: base, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: own } = read;
  const endpoint = own?.href ?? (base && `${base.href.replace(/\/$/, '')}/v1/traces`);
  if (endpoint === undefined || read.OTEL_SDK_DISABLED) return undefined;
  return {
    endpoint,
    headers: read.OTEL_EXPORTER_OTLP_HEADERS,
    timeoutMs: read.OTEL_EXPORTER_OTLP_TIMEOUT,
    delayMs: read.OTEL_BSP_SCHEDULE_DELAY,
    serviceName: read.OTEL_SERVICE_NAME ?? defaultServiceName,
    resourceAttributes: read.OTEL_RESOURCE_ATTRIBUTES ?? '',
    sampler: read.OTEL_TRACES_SAMPLER,
    samplerPart: read.OTEL_TRACES_SAMPLER_ARG,
  };
}
