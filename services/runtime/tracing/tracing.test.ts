import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type OtlpCollector, startOtlpCollector } from '../../../test/_support/otlp-collector.ts';
import { ConfigError, readEnvironment } from '../environment.ts';
import { createLogger } from '../logger.ts';
import { openTracing } from './open-tracing.ts';
import { passingTracing } from './passing-tracing.ts';
import { NO_SPAN, traced, traceFacts, type Tracing } from './tracing.ts';
import { type TracingConfig, tracingConfig, tracingVariables } from './tracing-config.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT = { traceparent: `00-${TRACE_ID}-b7ad6b7169203331-01`, tracestate: 'vendor=1' };

const config = (environment: Record<string, string>): TracingConfig | undefined =>
  tracingConfig(readEnvironment(z.object(tracingVariables), environment), 'test');

describe('the configuration of traces', () => {
  it('is undefined without a collector, and when OpenTelemetry is disabled', () => {
    expect(config({})).toBeUndefined();
    expect(
      config({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318', OTEL_SDK_DISABLED: 'TRUE' }),
    ).toBeUndefined();
  });

  it.each([
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }, 'http://c:4318/v1/traces'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318/otlp/' }, 'http://c:4318/otlp/v1/traces'],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318', OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://t/in' },
      'https://t/in',
    ],
  ])('%j sends to %s', (environment, endpoint) => {
    expect(config(environment)).toMatchObject({ endpoint, serviceName: 'test' });
  });

  it('refuses what we cannot do, without showing the headers', () => {
    const environment = {
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_TRACES_SAMPLER: 'some',
      OTEL_TRACES_SAMPLER_ARG: '2',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer s3cr3t',
    };
    expect(() => config(environment)).toThrow(ConfigError);
    expect(() => config(environment)).toThrow(/_PROTOCOL: [^]*_SAMPLER: [^]*_SAMPLER_ARG: /);
    expect(() => config(environment)).not.toThrow(/s3cr3t/);
  });
});

describe('without a collector', () => {
  it('the trace of the caller is passed on and named', () => {
    const span = passingTracing.start('work', PARENT);
    expect(span.carrier).toEqual(PARENT);
    expect(span.child('more').carrier).toEqual(PARENT);
    expect(traceFacts(span)).toEqual({ trace_id: TRACE_ID });
  });

  it.each(['', 'nonsense', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`, `ff-${TRACE_ID}-b7ad6b7169203331-01`])(
    'a traceparent "%s" is no trace',
    (traceparent) => {
      const span = passingTracing.start('work', { traceparent });
      expect(span.carrier).toEqual({});
      expect(traceFacts(span)).toEqual({});
    },
  );

  it('OpenTelemetry is not loaded', async () => {
    const program = `
      import { createRequire } from 'node:module';
      await import('./dist/services/image-generation/image-generation.js');
      await import('./dist/sidecar/archiver.js');
      const loaded = Object.keys(createRequire(process.cwd() + '/x.js').cache);
      console.log(JSON.stringify(loaded.filter((path) => /@opentelemetry.(?!api)/.test(path))), loaded.length);
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    expect(stdout).toMatch(/^\[\] [1-9]/);
  });
});

describe('with a collector', () => {
  let collector: OtlpCollector;
  let tracing: Tracing;

  async function open(environment: Record<string, string> = {}): Promise<void> {
    tracing = await openTracing(
      config({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, ...environment }),
      createLogger('test', 'silent'),
    );
  }
  beforeEach(async () => {
    collector = await startOtlpCollector();
    await open();
  });
  afterEach(() => collector.stop());

  it('what was not sent yet is sent before the close returns', async () => {
    tracing.start('work', PARENT).end();
    await tracing.close(5_000);
    expect(collector.spans).toMatchObject([
      { name: 'work', service: 'test', traceId: TRACE_ID, parentSpanId: 'b7ad6b7169203331', status: 'unset' },
    ]);
  });

  it('a close gives up on a collector that hangs', async () => {
    collector.behave('hanging');
    tracing.start('work', {}).end();
    await tracing.close(50);
    expect(collector.spans).toEqual([]);
  });

  it('children, kinds, attributes and tracestate arrive; the first end counts', async () => {
    const span = tracing.start('work', PARENT, {
      kind: 'producer',
      attributes: { a: 1, b: true, c: undefined },
    });
    expect(span.carrier.tracestate).toBe('vendor=1');
    const child = span.child('part');
    child.end({ errorType: 'WRONG', message: 'all of it' });
    child.end();
    span.end();
    await tracing.close(5_000);
    expect(collector.spans).toMatchObject([
      { name: 'part', status: 'error', attributes: { 'error.type': 'WRONG' } },
      { name: 'work', kind: 'producer', status: 'unset', attributes: { a: 1, b: true } },
    ]);
    expect(collector.spans[0]?.parentSpanId).toBe(collector.spans[1]?.spanId);
  });

  it("work that throws ends its span with the error's name, and throws on", async () => {
    const span = tracing.start('work', {});
    const failing = traced(span, 'part', {}, () => Promise.reject(new TypeError('a secret')));
    await expect(failing).rejects.toThrow('a secret');
    span.end();
    await tracing.close(5_000);
    expect(collector.spans[0]).toMatchObject({ status: 'error', attributes: { 'error.type': 'TypeError' } });
  });

  it('the sampler decides on new traces, and on those of callers only when it is not parent-based', async () => {
    for (const [sampler, names] of [
      ['parentbased_always_off', ['of a caller']],
      ['always_off', []],
      ['parentbased_traceidratio', ['of a caller']],
    ] as const) {
      await open({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: '0' });
      const before = collector.spans.length;
      tracing.start('new', {}).end();
      const span = tracing.start('of a caller', PARENT);
      expect(span.traceId).toBe(TRACE_ID);
      span.end();
      await tracing.close(5_000);
      expect(collector.spans.slice(before).map(({ name }) => name)).toEqual(names);
    }
  });

  it('the resource says what the environment says', async () => {
    await open({ OTEL_SERVICE_NAME: 'mine', OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=dev' });
    tracing.start('work', {}).end();
    await tracing.close(5_000);
    expect(collector.spans).toMatchObject([{ service: 'mine' }]);
  });
});

it("nobody's span is nobody's child", () => {
  expect(NO_SPAN.child('x')).toBe(NO_SPAN);
  expect(traceFacts(NO_SPAN)).toEqual({});
});
