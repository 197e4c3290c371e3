/** One call is one tree, from the caller through NATS to the uploads; and every call's span ends as the call did. */
import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ClientReadableStream, credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  type GenerateImageRequest,
  type GenerateImageResponse,
  ImageGenerationServiceClient,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { EngineError } from '../../services/image-generation/errors.ts';
import { collect, startFixture } from '../_support/image-generation-fixture.ts';
import { createNoiseEngine } from '../_support/noise-engine.ts';
import { type CollectedSpan, type OtlpCollector, startOtlpCollector } from '../_support/otlp-collector.ts';
import { type StackFixture, startStackFixture } from '../_support/stack-fixture.ts';
import { type Caller, caller, callUnknown, edges } from '../_support/traced-caller.ts';
import { wireRequest } from '../_support/wire-request.ts';

const METHOD = 'sekai.image.v1.ImageGenerationService/GenerateImage';
const PROMPT = 'a lighthouse nobody may read about';

const request = (fields: Partial<GenerateImageRequest> = {}): GenerateImageRequest =>
  wireRequest({
    prompt: PROMPT,
    width: 64,
    height: 64,
    steps: 1,
    requestId: randomUUID(),
    ...fields,
  });

const WHOLE_TREE = [
  `caller > ${METHOD}`,
  `${METHOD} > encode`,
  `${METHOD} > generate`,
  `${METHOD} > send SEKAI_ARCHIVE`,
  `${METHOD} > wait for a place`,
  'process SEKAI_ARCHIVE > fetch image',
  'process SEKAI_ARCHIVE > head',
  'process SEKAI_ARCHIVE > settle',
  'process SEKAI_ARCHIVE > upload image',
  'process SEKAI_ARCHIVE > upload record',
  'send SEKAI_ARCHIVE > process SEKAI_ARCHIVE',
].toSorted();

let collector: OtlpCollector;
beforeAll(async () => {
  collector = await startOtlpCollector();
});
afterAll(() => collector.stop());

const environment = (): Record<string, string> => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
  OTEL_EXPORTER_OTLP_HEADERS: 'x-team=back%20grounds',
  OTEL_BSP_SCHEDULE_DELAY: '50',
});

describe('with every process real', () => {
  let system: StackFixture;
  let client: ImageGenerationServiceClient;
  beforeAll(async () => {
    system = await startStackFixture({ environment: environment() });
    client = new ImageGenerationServiceClient(system.stack.target, credentials.createInsecure());
  });
  afterAll(async () => {
    client.close();
    await system[Symbol.asyncDispose]();
  });

  /** Every server span of a trace; there must be one. */
  async function serverSpan({ traceId }: Caller): Promise<CollectedSpan> {
    const isOurs = (span: CollectedSpan): boolean => span.kind === 'server' && span.traceId === traceId;
    const span = await collector.span(isOurs);
    expect(collector.spans.filter(isOurs)).toHaveLength(1);
    expect(span.endNs).toBeGreaterThanOrEqual(span.startNs);
    return span;
  }

  it('one call is one tree: service, publish, consume, upload, in the trace of the caller', async () => {
    const from = caller();
    const { error } = await collect(client.generateImage(request(), from.metadata));
    expect(error).toBeUndefined();
    await vi.waitFor(() => expect(edges(collector.spans, from)).toEqual(WHOLE_TREE), { timeout: 20_000 });

    const spans = new Map(
      collector.spans.filter(({ traceId }) => traceId === from.traceId).map((span) => [span.name, span]),
    );
    expect(spans.get(METHOD)).toMatchObject({
      service: 'sekai-image-generation',
      kind: 'server',
      status: 'unset',
      attributes: {
        'rpc.system.name': 'grpc',
        'rpc.method': METHOD,
        'rpc.status_code': 'OK',
        'sekai.caller': expect.any(String),
        'sekai.prompt_bytes': PROMPT.length,
      },
    });
    expect(spans.get('generate')?.attributes).toMatchObject({
      'sekai.engine': 'procedural',
      'sekai.image.width': 64,
    });
    const sent = spans.get('send SEKAI_ARCHIVE');
    expect(sent).toMatchObject({ kind: 'producer', attributes: { 'messaging.system.name': 'nats' } });
    const processed = spans.get('process SEKAI_ARCHIVE');
    expect(processed).toMatchObject({ service: 'sekai-archiver', kind: 'consumer', status: 'unset' });
    expect(processed?.attributes['messaging.message.id']).toBe(sent?.attributes['messaging.message.id']);
    for (const name of ['upload image', 'upload record']) {
      expect(spans.get(name)).toMatchObject({
        kind: 'client',
        attributes: {
          'http.request.method': 'POST',
          'http.response.status_code': 201,
          'url.full': `${system.archive.s3.endpoint}/${system.archive.bucket}`,
        },
      });
    }
    expect(spans.get('head')?.attributes).toMatchObject({
      'http.request.method': 'HEAD',
      'http.response.status_code': 404,
    });
  });

  it('neither prompts nor what is signed is in a span', () => {
    expect(collector.spans.length).toBeGreaterThan(10);
    const told = JSON.stringify(collector.spans, (_, value: unknown) =>
      typeof value === 'bigint' ? `${value}` : value,
    );
    expect(told).not.toContain(PROMPT);
    expect(told).not.toMatch(/signature|policy|credential|sekai-dev/i);
    expect(collector.headers['x-team']).toBe('back grounds');
  });

  it('log lines of both processes name the trace', async () => {
    const from = caller();
    await collect(client.generateImage(request(), from.metadata));
    const ofTrace = (line: Readonly<Record<string, unknown>>): boolean => line['trace_id'] === from.traceId;
    await system.stack.service.line((line) => line.msg === 'call ended' && ofTrace(line));
    const uploaded = await system.archive.archiver.line(
      (line) => (line.msg ?? '').startsWith('Internal S3: Successfully uploaded') && ofTrace(line),
    );
    expect(uploaded['hash']).toMatch(/^[0-9a-f]{64}$/);
  });

  it('a hand-off that was spooled and replayed by the next process keeps its trace', async () => {
    const from = caller();
    await system.archive.nats.stop();
    const { error } = await collect(client.generateImage(request(), from.metadata));
    expect(error).toBeUndefined();
    const spool = join(system.stack.directory, 'spool', 'queue');
    await vi.waitFor(async () => expect(await readdir(spool)).toHaveLength(1), { timeout: 10_000 });
    await system.stack.service.kill('SIGKILL');
    await system.archive.nats.restart();
    await system.stack.restartService();
    // Whether the server span was sent before the kill does not matter here.
    await vi.waitFor(
      () => expect(edges(collector.spans, from)).toContain('send SEKAI_ARCHIVE > process SEKAI_ARCHIVE'),
      { timeout: 30_000 },
    );
    expect(edges(collector.spans, from)).toContain('process SEKAI_ARCHIVE > upload record');
  }, 60_000);

  it('a cancelled call ends as CANCELLED, without an error of ours, and so does what it was doing', async () => {
    const from = caller();
    const call = client.generateImage(request({ width: 2048, height: 2048, steps: 50 }), from.metadata);
    await accepted(call);
    call.cancel();
    const span = await serverSpan(from);
    expect(span).toMatchObject({ status: 'unset', attributes: { 'rpc.status_code': 'CANCELLED' } });
    const work = await collector.span(({ traceId, name }) => traceId === from.traceId && name !== METHOD);
    expect(work.endNs).toBeGreaterThan(0n);
    expect(
      collector.spans.filter(({ traceId, kind }) => traceId === from.traceId && kind === 'producer'),
    ).toEqual([]);
  });

  it('a call past its deadline ends as DEADLINE_EXCEEDED', async () => {
    const from = caller();
    const { error } = await collect(
      client.generateImage(request({ width: 2048, height: 2048, steps: 50 }), from.metadata, {
        deadline: Date.now() + 400,
      }),
    );
    expect(error?.details).toBeDefined();
    expect(await serverSpan(from)).toMatchObject({
      status: 'error',
      attributes: { 'rpc.status_code': 'DEADLINE_EXCEEDED', 'error.type': 'DEADLINE_EXCEEDED' },
    });
  });

  it('a refused request ends as INVALID_ARGUMENT, which is no fault of the server', async () => {
    const from = caller();
    await collect(client.generateImage(request({ prompt: '' }), from.metadata));
    expect(await serverSpan(from)).toMatchObject({
      status: 'unset',
      attributes: { 'rpc.status_code': 'INVALID_ARGUMENT' },
    });
  });

  it('a method that does not exist has a span under a name that peers cannot make up', async () => {
    const from = caller();
    await callUnknown(system.stack.target, from.metadata);
    expect(await serverSpan(from)).toMatchObject({
      name: '_OTHER',
      status: 'error',
      attributes: {
        'rpc.method': '_OTHER',
        'rpc.status_code': 'UNIMPLEMENTED',
        'error.type': 'UNIMPLEMENTED',
      },
    });
  });

  it('a caller whose trace is not sampled is not sampled here, in either process', async () => {
    const from = caller({ sampled: false });
    await collect(client.generateImage(request(), from.metadata));
    const later = caller();
    await collect(client.generateImage(request(), later.metadata));
    await vi.waitFor(() => expect(edges(collector.spans, later)).toEqual(WHOLE_TREE), { timeout: 20_000 });
    expect(edges(collector.spans, from)).toEqual([]);
  });

  it('a caller without a trace gets one of our own', async () => {
    const requestId = randomUUID();
    await collect(client.generateImage(request({ requestId })));
    const root = await collector.span(({ attributes }) => attributes['sekai.request_id'] === requestId);
    expect(root.parentSpanId).toBe('');
    await collector.span(({ name, traceId }) => name === 'upload record' && traceId === root.traceId);
  });
});

it("an engine that fails ends its span and the call's with an error", async () => {
  const engine = { ...createNoiseEngine(), generate: () => failing() };
  await using service = await startFixture(
    { ...environment(), ENABLE_INTERNAL_S3_UPLOAD: 'false' },
    { engine },
  );
  const from = caller();
  const { error } = await collect(service.client.generateImage(request(), from.metadata));
  expect(error).toBeDefined();
  const ofTrace = ({ traceId }: CollectedSpan): boolean => traceId === from.traceId;
  expect(await collector.span((span) => ofTrace(span) && span.name === 'generate')).toMatchObject({
    status: 'error',
    attributes: { 'error.type': 'EngineError' },
  });
  expect(await collector.span((span) => ofTrace(span) && span.kind === 'server')).toMatchObject({
    status: 'error',
  });
});

// oxlint-disable-next-line require-yield -- it fails before
async function* failing(): AsyncGenerator<never, void, undefined> {
  throw new EngineError('BAD_RESPONSE', 'the engine made nothing');
}

function accepted(call: ClientReadableStream<GenerateImageResponse>): Promise<void> {
  call.on('error', () => {});
  return new Promise((resolve) => {
    call.once('data', () => resolve());
  });
}
