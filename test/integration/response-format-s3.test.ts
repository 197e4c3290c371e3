/** Response format S3 with every process real. */
import { Metadata, status } from '@grpc/grpc-js';
import { connect } from 'nats';
import { expect, test, vi } from 'vitest';
import {
  DownloadLinkRequest,
  DownloadLinkResponse,
  LINK_SUBJECT,
  pairKeys,
} from '../../proto/archive-event.ts';
import { ErrorInfo } from '../../proto/gen/google/rpc/error_details.ts';
import { Status } from '../../proto/gen/google/rpc/status.ts';
import {
  ArchiveState,
  type GenerateImageResponse,
  GenerationStage,
  ImageEncoding,
  ResponseFormat,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { type Collected, collect, only, startFixture } from '../_support/image-generation-fixture.ts';
import { createNoiseEngine } from '../_support/noise-engine.ts';
import {
  BUCKET,
  PREFIX,
  sha256Hex,
  type StackFixture,
  startStackFixture,
} from '../_support/stack-fixture.ts';
import { wireRequest } from '../_support/wire-request.ts';

const {
  RESPONSE_FORMAT_BINARY: BINARY,
  RESPONSE_FORMAT_JSON: JSON_DOCUMENT,
  RESPONSE_FORMAT_S3: S3,
} = ResponseFormat;
const { ARCHIVE_STATE_STORED: STORED } = ArchiveState;

test('an S3 caller gets no bytes but a link to the stored pair, which its request id finds everywhere', async () => {
  await using system = await startStackFixture();
  const requestId = '0190a6a4-5e6b-7cde-8f01-23456789abcd';
  const stages: GenerationStage[] = [];
  const { bytes, header, result } = await system.client.generateImage(
    { prompt: 'a far hill', width: 64, height: 64, responseFormat: S3, requestId },
    { onProgress: ({ stage }) => stages.push(stage) },
  );
  expect([bytes.length, header, stages.at(-1)]).toEqual([
    0,
    undefined,
    GenerationStage.GENERATION_STAGE_ARCHIVING,
  ]);
  const keys = pairKeys(PREFIX, result.imageHash);
  expect(result.archive).toMatchObject({
    state: STORED,
    bucket: BUCKET,
    key: keys.image,
    recordKey: keys.record,
  });
  const url = result.archive?.downloadUrl ?? '';
  expect(sha256Hex(await download(url))).toBe(result.imageHash);
  const leftMs = (result.archive?.downloadUrlExpireTime?.getTime() ?? 0) - Date.now();
  expect(leftMs).toBeGreaterThan(14 * 60_000);
  expect(leftMs).toBeLessThanOrEqual(15 * 60_000);
  expect((await fetch(url.split('?')[0] ?? '')).status).toBe(403);

  const { record } = await system.storedPair(result.imageHash);
  expect(record).toMatchObject({ request_id: requestId, parameters: { response_format: 's3' } });
  for (const key of [keys.image, keys.record]) {
    const stored = await system.archive.s3.objects.get(BUCKET, key);
    expect(stored?.userMetadata).toMatchObject({ 'request-id': requestId });
    const msg = `Internal S3: Successfully uploaded ${key}`;
    const uploaded = await system.archive.archiver.line((line) => line.msg === msg, 5_000);
    expect(uploaded['requestId']).toBe(requestId);
  }
  const { service } = system.stack;
  const triggered = `Triggered async internal S3 upload for hash: ${result.imageHash}`;
  expect(await service.line(({ msg }) => msg === triggered)).toMatchObject({ requestId });
  expect(await service.line(({ msg }) => msg === 'call ended')).toMatchObject({ requestId, code: 'OK' });
  const printed = JSON.stringify([service.lines, system.archive.archiver.lines]);
  expect(printed).not.toContain('X-Amz-Signature');
  expect(printed).not.toContain('far hill');
});

test('what is stored is a JPEG, and a PNG caller is told so', async () => {
  await using system = await startStackFixture();
  const fields = { responseFormat: S3, imageEncoding: ImageEncoding.IMAGE_ENCODING_PNG };
  const { accepted, result } = await system.generate(fields);
  expect(accepted.parameters?.imageEncoding).toBe(ImageEncoding.IMAGE_ENCODING_JPEG);
  expect(result.warnings).toMatchObject([{ reason: 'IMAGE_ENCODING_REPLACED', field: 'image_encoding' }]);
});

test('links expire, and are given for archived images only', async () => {
  await using system = await startStackFixture();
  const { result } = await system.generate();
  await system.storedPair(result.imageHash);
  const link = await vi.waitFor(async () => {
    const { outcome } = await requestLink(system, result.imageHash, 2);
    if (outcome?.$case !== 'link') throw new Error(outcome?.value.reason);
    return outcome.value;
  });
  expect((link.expireTime?.getTime() ?? 0) - Date.now()).toBeLessThanOrEqual(2_000);
  expect(sha256Hex(await download(link.url))).toBe(result.imageHash);
  await vi.waitFor(async () => expect((await fetch(link.url)).status).toBe(403), {
    timeout: 8_000,
    interval: 200,
  });

  for (const hash of ['ab'.repeat(32), '../secrets', '']) {
    expect((await requestLink(system, hash, 0)).outcome).toMatchObject({ value: { reason: 'NOT_FOUND' } });
  }
  const day = await requestLink(system, result.imageHash, 4_000_000_000);
  const expires = day.outcome?.$case === 'link' ? day.outcome.value.expireTime : undefined;
  expect((expires?.getTime() ?? Infinity) - Date.now()).toBeLessThanOrEqual(24 * 3_600_000);
});

test('with the archiver stopped an S3 call ends at its deadline, says where the image will be, and it is', async () => {
  await using system = await startStackFixture();
  await system.archive.archiver.stop();
  await using service = await startFixture(
    { NATS_URL: system.archive.nats.url },
    { engine: createNoiseEngine() },
  );
  const ended = await collectS3(service, 4_000);
  expect(ended.error?.code).toBe(status.DEADLINE_EXCEEDED);
  const { reason, metadata } = errorInfo(ended);
  expect(reason).toBe('ARCHIVE_DEADLINE');
  const imageHash = metadata['image_hash'] ?? '';
  expect(metadata['key']).toBe(pairKeys(PREFIX, imageHash).image);
  await system.archive.restartArchiver();
  await system.storedPair(imageHash);
});

test('ten S3 callers at once all get a working link', async () => {
  await using system = await startStackFixture();
  const images = await Promise.all(Array.from({ length: 10 }, () => system.generate({ responseFormat: S3 })));
  for (const { result } of images) {
    expect(result.archive?.state).toBe(STORED);
    expect(sha256Hex(await download(result.archive?.downloadUrl ?? ''))).toBe(result.imageHash);
  }
  expect(new Set(images.map(({ result }) => result.imageHash)).size).toBe(10);
});

test('an S3 caller outwaits a broker that is away', async () => {
  await using system = await startStackFixture();
  await system.archive.nats.kill('SIGKILL');
  const waiting = system.client.generateImage(
    { prompt: 'a patient hill', width: 64, height: 64, responseFormat: S3 },
    { deadlineMs: 60_000 },
  );
  waiting.catch(() => {});
  await system.stack.service.line(({ msg }) => msg?.startsWith('Triggered async') ?? false);
  await system.archive.nats.restart();
  const { result } = await waiting;
  expect(sha256Hex(await download(result.archive?.downloadUrl ?? ''))).toBe(result.imageHash);
}, 90_000);

test('a broker that goes away during the wait is outwaited, too', async () => {
  await using system = await startStackFixture();
  await system.archive.archiver.stop();
  await using service = await startFixture(
    { NATS_URL: system.archive.nats.url },
    { engine: createNoiseEngine() },
  );
  const call = service.client.generateImage(wireRequest({ responseFormat: S3 }), new Metadata(), {
    deadline: Date.now() + 60_000,
  });
  await stageOf(call, GenerationStage.GENERATION_STAGE_ARCHIVING);
  const ended = collect(call);
  await system.archive.nats.kill('SIGKILL');
  await system.archive.nats.restart();
  await system.archive.restartArchiver();
  expect((await ended).error).toBeUndefined();
  expect(only(await ended, 'result').archive?.state).toBe(STORED);
}, 90_000);

test('a caller that cancels during the wait is let go at once, and its image is archived', async () => {
  await using system = await startStackFixture();
  await system.archive.archiver.stop();
  await using service = await startFixture(
    { NATS_URL: system.archive.nats.url },
    { engine: createNoiseEngine() },
  );
  const call = service.client.generateImage(wireRequest({ responseFormat: S3 }));
  await stageOf(call, GenerationStage.GENERATION_STAGE_ARCHIVING);
  const ended = collect(call);
  call.cancel();
  expect((await ended).error?.code).toBe(status.CANCELLED);
  const line = await vi.waitFor(() => {
    const found = service.logLines.find(({ msg }) => msg === 'call ended');
    if (found === undefined) throw new Error('not ended');
    return found;
  });
  expect(line['code']).toBe('CANCELLED');
  const triggered = service.logLines.find(({ msg }) => String(msg).startsWith('Triggered async'));
  await system.archive.restartArchiver();
  await system.storedPair(String(triggered?.['imageHash']));
});

test('a stored image without an archiver to sign links is STORED with a warning', async () => {
  await using system = await startStackFixture();
  const fields = { prompt: 'one hill', seed: 3 };
  const { result: first } = await system.generate({ ...fields, responseFormat: S3 });
  await system.archive.archiver.stop();
  const { result } = await system.client.generateImage(
    { ...fields, width: 64, height: 64, steps: 1, responseFormat: S3 },
    { deadlineMs: 3_000 },
  );
  expect(result.imageHash).toBe(first.imageHash);
  expect(result.archive).toMatchObject({ state: STORED, key: first.archive?.key, downloadUrl: '' });
  expect(result.warnings.map(({ reason }) => reason)).toContain('DOWNLOAD_LINK_UNAVAILABLE');
});

test('without an archive S3 is refused before any generation, and not offered', async () => {
  let generations = 0;
  const engine = createNoiseEngine({ beforeStep: async () => void (generations += 1) });
  await using service = await startFixture({ ENABLE_INTERNAL_S3_UPLOAD: 'false' }, { engine });
  const ended = await collectS3(service, 5_000);
  expect([ended.error?.code, errorInfo(ended).reason]).toEqual([
    status.FAILED_PRECONDITION,
    'ARCHIVE_DISABLED',
  ]);
  expect([generations, ended.events]).toEqual([0, []]);
  expect(await responseFormats(service)).toEqual([BINARY, JSON_DOCUMENT]);
});

test('with an archive all formats are offered, and a hand-off that fails is UNAVAILABLE for S3 alone', async () => {
  const environment = { NATS_URL: 'nats://127.0.0.1:1', SPOOL_MAX_BYTES: String(1024 * 1024) };
  await using service = await startFixture(environment, { engine: createNoiseEngine() });
  expect(await responseFormats(service)).toEqual([BINARY, JSON_DOCUMENT, S3]);
  const size = { width: 1_600, height: 1_600 };
  const refused = await collectS3(service, 10_000, size);
  expect([refused.error?.code, errorInfo(refused).reason]).toEqual([
    status.UNAVAILABLE,
    'ARCHIVE_UNAVAILABLE',
  ]);
  const binary = await collect(service.client.generateImage(wireRequest(size)));
  expect(only(binary, 'result').archive?.state).toBe(ArchiveState.ARCHIVE_STATE_FAILED);
});

type Service = Awaited<ReturnType<typeof startFixture>>;

function collectS3(service: Service, deadlineMs: number, more = {}): Promise<Collected> {
  const request = wireRequest({ responseFormat: S3, ...more });
  return collect(
    service.client.generateImage(request, new Metadata(), { deadline: Date.now() + deadlineMs }),
  );
}

function errorInfo({ error }: Collected): ErrorInfo {
  const [trailer] = error?.metadata.get('grpc-status-details-bin') ?? [];
  const info = Status.decode(trailer as Buffer).details.find(({ typeUrl }) => typeUrl.endsWith('ErrorInfo'));
  return ErrorInfo.decode(info?.value ?? new Uint8Array(0));
}

/** Resolves when the call reports `stage`. */
function stageOf(
  call: ReturnType<Service['client']['generateImage']>,
  stage: GenerationStage,
): Promise<void> {
  return new Promise((resolve) => {
    call.on('data', ({ event }: GenerateImageResponse) => {
      if (event?.$case === 'progress' && event.value.stage === stage) resolve();
    });
  });
}

function responseFormats(service: Service): Promise<ResponseFormat[]> {
  return new Promise((resolve, reject) => {
    service.client.getCapabilities({}, (error, answer) =>
      error === null ? resolve(answer.responseFormats) : reject(error),
    );
  });
}

async function download(url: string): Promise<Buffer> {
  const response = await fetch(url);
  expect(response.status).toBe(200);
  return Buffer.from(await response.arrayBuffer());
}

async function requestLink(
  system: StackFixture,
  imageHash: string,
  expiresInSeconds: number,
): Promise<DownloadLinkResponse> {
  const nats = await connect({ servers: system.archive.nats.url });
  try {
    const request = DownloadLinkRequest.encode({ imageHash, expiresInSeconds }).finish();
    return DownloadLinkResponse.decode((await nats.request(LINK_SUBJECT, request)).data);
  } finally {
    await nats.close();
  }
}
