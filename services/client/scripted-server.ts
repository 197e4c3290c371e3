/** Test fixture: a real gRPC server whose streams are written by the test. */
import {
  type handleServerStreamingCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import { createHash } from 'node:crypto';
import { BadRequest, ErrorInfo, RetryInfo } from '../../proto/gen/google/rpc/error_details.ts';
import { Status } from '../../proto/gen/google/rpc/status.ts';
import {
  ArchiveState,
  type GenerateImageRequest,
  type GenerateImageResponse,
  GenerationStage,
  type GetCapabilitiesResponse,
  ImageEncoding,
  ImageGenerationServiceService,
  type ImageGenerationServiceServer,
  ResponseFormat,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { STATUS_DETAILS_KEY } from './status-details.ts';

export type ScriptedCall = ServerWritableStream<GenerateImageRequest, GenerateImageResponse>;
export type Event = NonNullable<GenerateImageResponse['event']>;

export interface ScriptedServer {
  readonly target: string;
  stop(): void;
}

/** Starts a server on the loopback, on a free port unless an earlier server's is to be taken again. */
export function startScriptedServer(script: (call: ScriptedCall) => void, port = 0): Promise<ScriptedServer> {
  const server = new Server();
  const generateImage: handleServerStreamingCall<GenerateImageRequest, GenerateImageResponse> = (call) =>
    script(call);
  const implementation: ImageGenerationServiceServer = {
    generateImage,
    getCapabilities: (_call, callback) => callback(null, CAPABILITIES),
  };
  server.addService(ImageGenerationServiceService, implementation);
  return new Promise((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
      if (error !== null) return reject(error);
      return resolve({ target: `127.0.0.1:${bound}`, stop: () => server.forceShutdown() });
    });
  });
}

/** Answers every call with these events and OK. Where they say REQUEST_ID, the call's own id is sent. */
export const play =
  (events: readonly Event[]) =>
  (call: ScriptedCall): void => {
    send(call, ...events);
    call.end();
  };

/** Sends events and leaves the call open. Where they say REQUEST_ID, the call's own id is sent. */
export function send(call: ScriptedCall, ...events: readonly Event[]): void {
  for (const event of events) call.write({ event: withRequestId(event, call.request.requestId) });
}

function withRequestId(event: Event, requestId: string): Event {
  if (event.$case !== 'accepted' && event.$case !== 'result') return event;
  if (event.value.requestId !== REQUEST_ID) return event;
  return { ...event, value: { ...event.value, requestId } } as Event;
}

/** Stands for the id of whatever call is being answered. */
export const REQUEST_ID = '00000000-0000-4000-8000-000000000001';
/** Not a real JPEG: the client never looks inside. */
export const IMAGE = Buffer.alloc(150_000, 'jpeg bytes ');
export const IMAGE_HASH = createHash('sha256').update(IMAGE).digest('hex');

/** A stream as the contract has it, in chunks of 64 KiB. */
export const goodEvents = (bytes: Uint8Array = IMAGE): [Event, Event, Event, ...Event[]] => [
  acceptedEvent(),
  progressEvent(),
  headerEvent(bytes),
  ...chunkEvents(bytes),
  resultEvent(createHash('sha256').update(bytes).digest('hex')),
];

export const acceptedEvent = (responseFormat: ResponseFormat = 1): Event => ({
  $case: 'accepted',
  value: {
    requestId: REQUEST_ID,
    engine: 'scripted',
    parameters: {
      model: 'scripted-1',
      width: 640,
      height: 480,
      seed: 7,
      steps: 20,
      guidanceScale: 0,
      sampler: '',
      loras: [],
      responseFormat,
      imageEncoding: ImageEncoding.IMAGE_ENCODING_JPEG,
      imageQuality: 85,
    },
    acceptTime: new Date(1_700_000_000_000),
  },
});

export const progressEvent = (fraction = 0.5): Event => ({
  $case: 'progress',
  value: {
    stage: GenerationStage.GENERATION_STAGE_SAMPLING,
    step: 10,
    totalSteps: 20,
    fraction,
    eta: undefined,
    elapsed: { seconds: 1n, nanos: 0 },
  },
});

export const headerEvent = (bytes: Uint8Array, mediaType = 'image/jpeg'): Event => ({
  $case: 'header',
  value: {
    mediaType,
    sizeBytes: BigInt(bytes.length),
    sha256: createHash('sha256').update(bytes).digest(),
    width: 640,
    height: 480,
  },
});

export function chunkEvents(bytes: Uint8Array, chunkBytes = 65_536): Event[] {
  const events: Event[] = [];
  for (let offset = 0; offset < bytes.length; offset += chunkBytes) {
    const value = { offset: BigInt(offset), data: bytes.subarray(offset, offset + chunkBytes) };
    events.push({ $case: 'chunk', value });
  }
  return events;
}

export const resultEvent = (imageHash: string): Event => ({
  $case: 'result',
  value: {
    requestId: REQUEST_ID,
    imageHash,
    seed: 7,
    archive: {
      state: ArchiveState.ARCHIVE_STATE_QUEUED,
      bucket: 'bucket',
      key: `prefix/output-${imageHash}.jpg`,
      recordKey: `prefix/input-${imageHash}.json`,
      downloadUrl: '',
      downloadUrlExpireTime: undefined,
    },
    warnings: [{ reason: 'SAMPLER_IGNORED', field: 'sampler', message: 'the engine has only one sampler' }],
    queueDuration: { seconds: 0n, nanos: 5_000_000 },
    generationDuration: { seconds: 1n, nanos: 250_000_000 },
  },
});

const pack = (type: string, value: Uint8Array): Status['details'][number] => ({
  typeUrl: `type.googleapis.com/google.rpc.${type}`,
  value,
});

const violation = (field: string, reason: string): BadRequest['fieldViolations'][number] => ({
  field,
  reason,
  description: `${field} is wrong`,
  localizedMessage: undefined,
});

/** What a handler emits as 'error' for a request with two faults. */
export function detailedError(code: number, message: string): Error {
  const fieldViolations = [violation('prompt', 'PROMPT_REQUIRED'), violation('steps', 'STEPS_OUT_OF_RANGE')];
  return statusError(code, message, [
    pack('ErrorInfo', ErrorInfo.encode({ reason: 'PROMPT_REQUIRED', domain: 'd', metadata: {} }).finish()),
    pack('BadRequest', BadRequest.encode({ fieldViolations }).finish()),
    retryInfo(1500),
    pack('Unheard', new Uint8Array([1, 2, 3])),
  ]);
}

/** What a handler emits as 'error' when it cannot do the job now. */
export function refusal(code: number, reason: string, retryAfterMs?: number): Error {
  const info = pack('ErrorInfo', ErrorInfo.encode({ reason, domain: 'd', metadata: {} }).finish());
  return statusError(code, reason, retryAfterMs === undefined ? [info] : [info, retryInfo(retryAfterMs)]);
}

const retryInfo = (ms: number): Status['details'][number] => {
  const retryDelay = { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 };
  return pack('RetryInfo', RetryInfo.encode({ retryDelay }).finish());
};

function statusError(code: number, message: string, details: Status['details']): Error {
  const metadata = new Metadata();
  metadata.set(STATUS_DETAILS_KEY, Buffer.from(Status.encode({ code, message, details }).finish()));
  return Object.assign(new Error(message), { code, details: message, metadata });
}

export const CAPABILITIES: GetCapabilitiesResponse = {
  engine: 'scripted',
  models: [],
  loras: [],
  samplers: [],
  imageEncodings: [ImageEncoding.IMAGE_ENCODING_JPEG],
  responseFormats: [ResponseFormat.RESPONSE_FORMAT_BINARY],
  limits: undefined,
};
