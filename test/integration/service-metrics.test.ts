/** A script of calls, one or more for every way in which a call can end; then /metrics must say what was done. */
import { once } from 'node:events';
import { connect } from 'node:http2';
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { expect, test, vi } from 'vitest';
import {
  GenerateImageRequest,
  GenerateImageResponse,
  ImageGenerationServiceClient,
  ImageGenerationServiceService,
  ResponseFormat,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { scrape } from '../_support/exposition.ts';
import {
  type Collected,
  collect,
  type ImageGenerationFixture,
  startFixture,
} from '../_support/image-generation-fixture.ts';
import { startNatsFixture } from '../_support/nats-fixture.ts';
import {
  accessLines,
  ARCHIVE_OFF,
  callUnary,
  capabilities,
  obedientEngine,
  scrapeAfter,
  small,
} from '../_support/scripted-calls.ts';
import { startTcpProxy } from '../_support/tcp-proxy.ts';

test('before the first call every series of a method is there and says 0', async () => {
  await using service = await startFixture(ARCHIVE_OFF);
  const exposition = await scrape(service.service.adminPort);
  for (const grpc_method of ['GenerateImage', 'GetCapabilities']) {
    const grpc_type = grpc_method === 'GenerateImage' ? 'server_stream' : 'unary';
    const method = { grpc_type, grpc_service: 'sekai.image.v1.ImageGenerationService', grpc_method };
    expect(exposition.value('grpc_server_started_total', method)).toBe(0);
    expect(exposition.value('grpc_server_handling_seconds_count', method)).toBe(0);
    for (const grpc_code of ['OK', 'InvalidArgument', 'DeadlineExceeded', 'Unauthenticated']) {
      expect(exposition.value('grpc_server_handled_total', { ...method, grpc_code })).toBe(0);
    }
  }
  expect(exposition.value('sekai_call_errors_total', { reason: 'QUEUE_FULL' })).toBe(0);
  expect(exposition.series.has('nodejs_eventloop_lag_seconds')).toBe(true);
});

test('calls that end OK: messages, bytes, times and callers are exactly those of the clients', async () => {
  await using service = await startFixture(ARCHIVE_OFF, { engine: obedientEngine() });
  const collected: Collected[] = [];
  for (const seed of [1, 2, 3]) collected.push(await collect(service.client.generateImage(small({ seed }))));
  expect(await capabilities(service.client)).toBe(status.OK);
  const exposition = await scrapeAfter(service, 4);

  const messages = collected.flatMap(({ events }) => events);
  const bytes = messages.reduce((sum, each) => sum + GenerateImageResponse.encode(each).finish().length, 0);
  const total = (name: string): Record<string, number> => exposition.by(name, 'grpc_method');
  expect(total('grpc_server_started_total')).toEqual({ GenerateImage: 3, GetCapabilities: 1 });
  expect(total('grpc_server_msg_received_total')).toEqual({ GenerateImage: 3, GetCapabilities: 1 });
  expect(total('grpc_server_msg_sent_total')).toEqual({ GenerateImage: messages.length, GetCapabilities: 1 });
  expect(total('sekai_response_bytes_total')['GenerateImage']).toBe(bytes);
  expect(total('grpc_server_handling_seconds_count')).toEqual({ GenerateImage: 3, GetCapabilities: 1 });
  expect(exposition.by('grpc_server_handled_total', 'grpc_code')).toEqual({ OK: 4 });
  expect(exposition.by('sekai_caller_calls_total', 'caller')).toEqual({ '127.0.0.1': 4 });
  expect(exposition.by('sekai_results_total', 'archive_state')).toEqual({ disabled: 3 });
  expect(exposition.by('sekai_call_errors_total', 'reason')).toEqual({});
  for (const name of ['first_progress', 'first_image_byte']) {
    expect(exposition.value(`sekai_generation_${name}_seconds_count`)).toBe(3);
  }
  expect(exposition.by('sekai_generation_stage_seconds_count', 'stage')).toEqual({
    queue: 3,
    engine: 3,
    encode: 3,
    deliver: 3,
    archive_wait: 3,
  });
  expect(exposition.value('sekai_delivery_bytes')).toBe(0);
});

test('every way in which a call can end is counted under its code and reason, and logged in one line', async () => {
  const environment = { ...ARCHIVE_OFF, ENGINE_CONCURRENCY: '1', ENGINE_QUEUE: '0', MAX_CALL_SECONDS: '3' };
  await using service = await startFixture(environment, { engine: obedientEngine() });
  const { client } = service;
  const raw = new Client(service.target, credentials.createInsecure());
  const codeOf = async (request: GenerateImageRequest): Promise<number | undefined> =>
    (await collect(client.generateImage(request))).error?.code;

  expect(await codeOf(small())).toBeUndefined();
  expect(await codeOf(small({ prompt: '' }))).toBe(status.INVALID_ARGUMENT);
  expect(await codeOf(small({ model: 'none-such' }))).toBe(status.NOT_FOUND);
  expect(await codeOf(small({ prompt: 'unavailable' }))).toBe(status.UNAVAILABLE);
  expect(await codeOf(small({ prompt: 'filtered' }))).toBe(status.FAILED_PRECONDITION);
  expect(await codeOf(small({ responseFormat: ResponseFormat.RESPONSE_FORMAT_S3 }))).toBe(
    status.FAILED_PRECONDITION,
  );
  expect(await codeOf(small({ prompt: 'corrupt' }))).toBe(status.DATA_LOSS);
  expect(await codeOf(small({ prompt: 'bug' }))).toBe(status.INTERNAL);

  const requestId = '0190a6a4-5e6b-7cde-8f01-23456789abcd';
  const held = client.generateImage(small({ prompt: 'wait', requestId }));
  const heldEnd = collect(held);
  await once(held, 'data');
  expect(await codeOf(small({ requestId }))).toBe(status.ABORTED);
  expect(await codeOf(small())).toBe(status.RESOURCE_EXHAUSTED);
  held.cancel();
  expect((await heldEnd).error?.code).toBe(status.CANCELLED);

  await idle(service);
  const deadline = Date.now() + 700;
  const late = client.generateImage(small({ prompt: 'wait' }), new Metadata(), { deadline });
  expect((await collect(late)).error?.code).toBe(status.DEADLINE_EXCEEDED);
  await idle(service);
  expect(await patientCaller(service, '300m')).toBe(String(status.DEADLINE_EXCEEDED));
  await idle(service);
  // No deadline but the server's own.
  expect(await codeOf(small({ prompt: 'wait' }))).toBe(status.DEADLINE_EXCEEDED);

  await idle(service);
  await using proxy = await startTcpProxy(service.service.grpcPort);
  const lost = new ImageGenerationServiceClient(proxy.target, credentials.createInsecure());
  const cut = lost.generateImage(small({ prompt: 'wait' }));
  const cutEnd = collect(cut);
  await once(cut, 'data');
  proxy.cut();
  expect((await cutEnd).error?.code).toBe(status.UNAVAILABLE);
  lost.close();

  expect(await callUnary(raw, '/sekai.image.v1.ImageGenerationService/GenerateImages')).toBe(
    status.UNIMPLEMENTED,
  );
  for (let i = 0; i < 3; i += 1) expect(await callUnary(raw, '/grpc.health.v1.Health/Check')).toBe(status.OK);
  raw.close();

  const codes = {
    OK: 1,
    InvalidArgument: 1,
    NotFound: 1,
    Unavailable: 1,
    FailedPrecondition: 2,
    DataLoss: 1,
    Internal: 1,
    Aborted: 1,
    ResourceExhausted: 1,
    Cancelled: 2,
    DeadlineExceeded: 3,
    Unimplemented: 1,
  };
  const exposition = await scrapeAfter(service, 16);
  expect(exposition.by('grpc_server_handled_total', 'grpc_code')).toEqual(codes);
  expect(exposition.by('grpc_server_handled_total', 'grpc_method')).toEqual({ GenerateImage: 15, _OTHER: 1 });
  expect(exposition.by('grpc_server_started_total', 'grpc_method')).toEqual({ GenerateImage: 15, _OTHER: 1 });
  expect(exposition.by('sekai_call_errors_total', 'reason')).toEqual({
    PROMPT_REQUIRED: 1,
    MODEL_NOT_FOUND: 1,
    BACKEND_UNAVAILABLE: 1,
    CONTENT_FILTERED: 1,
    ARCHIVE_DISABLED: 1,
    IMAGE_CORRUPT: 1,
    INTERNAL: 1,
    REQUEST_IN_PROGRESS: 1,
    QUEUE_FULL: 1,
    CANCELLED: 2,
    DEADLINE: 3,
    UNIMPLEMENTED: 1,
  });
  expect(exposition.by('sekai_caller_calls_total', 'caller')).toEqual({ '127.0.0.1': 15, unknown: 1 });
  await idle(service);

  const lines = accessLines(service);
  const logged: Record<string, number> = {};
  for (const { code } of lines) logged[titleOf(String(code))] = (logged[titleOf(String(code))] ?? 0) + 1;
  expect(logged).toEqual(codes);
  expect(lines.filter((line) => line['requestId'] === requestId).map(({ code }) => code)).toEqual([
    'ABORTED',
    'CANCELLED',
  ]);
}, 30_000);

const titleOf = (name: string): string =>
  name === 'OK'
    ? name
    : name
        .split('_')
        .map((word) => word.charAt(0) + word.slice(1).toLowerCase())
        .join('');

/** The engine is free again: the next call is not refused for the last one. */
async function idle(service: ImageGenerationFixture): Promise<void> {
  await vi.waitFor(
    async () => {
      expect((await scrape(service.service.adminPort)).value('sekai_generations_running')).toBe(0);
    },
    { timeout: 10_000 },
  );
}

/** A caller without a clock of its own: only the server can end its call. Resolves with the status it is sent. */
async function patientCaller({ target }: ImageGenerationFixture, timeout: string): Promise<string> {
  const session = connect(`http://${target}`);
  const request = session.request({
    ':method': 'POST',
    ':path': ImageGenerationServiceService.generateImage.path,
    'content-type': 'application/grpc',
    'grpc-timeout': timeout,
    te: 'trailers',
  });
  const message = GenerateImageRequest.encode(small({ prompt: 'wait' })).finish();
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  request.end(Buffer.concat([head, message]));
  request.resume();
  const [trailers] = (await once(request, 'trailers')) as [Record<string, string>];
  session.destroy();
  return trailers['grpc-status'] ?? 'none';
}

test('two scrapes of a resting service say the same', async () => {
  await using service = await startFixture(ARCHIVE_OFF, { engine: obedientEngine() });
  await collect(service.client.generateImage(small()));
  await scrapeAfter(service, 1);
  const ours = async (): Promise<[string, number][]> =>
    [...(await scrape(service.service.adminPort)).series].filter(([key]) => /^(?:grpc|sekai)_/.test(key));
  const [first, second] = await Promise.all([ours(), ours()]);
  expect(second).toEqual(first);
  expect(await ours()).toEqual(first);
});

test('hand-offs: acknowledged ones are timed, waiting ones are seen in the spool', async () => {
  const nats = await startNatsFixture();
  try {
    const environment = { NATS_URL: nats.server.url, HANDOFF_DEADLINE_MS: '2000' };
    await using service = await startFixture(environment, { engine: obedientEngine() });
    const port = service.service.adminPort;
    await vi.waitFor(async () => expect((await scrape(port)).value('sekai_nats_connected')).toBe(1), {
      timeout: 10_000,
    });
    for (const seed of [1, 2]) await collect(service.client.generateImage(small({ seed })));
    const good = await vi.waitFor(
      async () => {
        const exposition = await scrape(port);
        expect(exposition.by('sekai_handoffs_total', 'archive_state')).toEqual({ queued: 2 });
        expect(exposition.value('sekai_spool_files')).toBe(0);
        return exposition;
      },
      { timeout: 10_000 },
    );
    expect(good.value('sekai_handoff_seconds_count')).toBe(2);
    expect(good.by('sekai_results_total', 'archive_state')).toEqual({ queued: 2 });
    expect(good.value('sekai_spool_bytes')).toBe(0);
    expect(good.value('sekai_spool_oldest_age_seconds')).toBe(0);

    await nats.server.kill('SIGKILL');
    await vi.waitFor(async () => expect((await scrape(port)).value('sekai_nats_connected')).toBe(0), {
      timeout: 10_000,
    });
    await collect(service.client.generateImage(small({ seed: 3 })));
    const waiting = await scrapeAfter(service, 3);
    expect(waiting.by('sekai_results_total', 'archive_state')).toEqual({ queued: 2, spooled: 1 });
    expect(waiting.value('sekai_spool_files')).toBe(1);
    expect(waiting.value('sekai_spool_handoffs')).toBe(1);
    expect(waiting.value('sekai_spool_bytes')).toBeGreaterThan(500);
    expect(waiting.value('sekai_spool_oldest_age_seconds')).toBeGreaterThan(0);
    expect(waiting.value('sekai_handoff_circuit_open')).toBe(1);
    expect(waiting.by('sekai_handoffs_total', 'archive_state')).toEqual({ queued: 2 });

    await nats.server.restart();
    await vi.waitFor(
      async () => {
        const exposition = await scrape(port);
        expect(exposition.by('sekai_handoffs_total', 'archive_state')).toEqual({ queued: 3 });
        expect(exposition.value('sekai_spool_files')).toBe(0);
      },
      { timeout: 15_000 },
    );
  } finally {
    await nats[Symbol.asyncDispose]();
  }
}, 30_000);
