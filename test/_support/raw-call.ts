/** Calls a method by its path with bytes, whatever its type. */
import { type ChannelCredentials, Client, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { wireRequest } from './wire-request.ts';
import { GenerateImageRequest } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';

export interface RawMethod {
  readonly path: string;
  /** Whether it needs no token. */
  readonly open: 'open' | 'closed';
  readonly request: Buffer;
}

/** `list_services: ""` of both reflection versions: field 7. */
const LIST_SERVICES = Buffer.from([0x3a, 0x00]);
const PICTURE = GenerateImageRequest.encode(wireRequest({ width: 64, height: 64, steps: 1 })).finish();

/** Every method of the service. */
export const RAW_METHODS: readonly RawMethod[] = [
  {
    path: '/sekai.image.v1.ImageGenerationService/GenerateImage',
    open: 'closed',
    request: Buffer.from(PICTURE),
  },
  {
    path: '/sekai.image.v1.ImageGenerationService/GetCapabilities',
    open: 'closed',
    request: Buffer.alloc(0),
  },
  {
    path: '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    open: 'closed',
    request: LIST_SERVICES,
  },
  {
    path: '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
    open: 'closed',
    request: LIST_SERVICES,
  },
  { path: '/grpc.health.v1.Health/Check', open: 'open', request: Buffer.alloc(0) },
  { path: '/grpc.health.v1.Health/List', open: 'open', request: Buffer.alloc(0) },
];

export interface RawAnswer {
  readonly code: number;
  /** How many came. */
  readonly messages: number;
}

/** Sends one message and reads to the end. */
export function answerOf(
  target: string,
  credentials: ChannelCredentials,
  path: string,
  request: Buffer,
  metadata = new Metadata(),
): Promise<RawAnswer> {
  const client = new Client(target, credentials, { 'grpc.use_local_subchannel_pool': 1 });
  const asIs = (bytes: Buffer): Buffer => bytes;
  const call = client.makeBidiStreamRequest(path, asIs, asIs, metadata, { deadline: Date.now() + 10_000 });
  let messages = 0;
  return new Promise<RawAnswer>((resolve) => {
    call.on('data', () => void (messages += 1));
    call.on('error', ({ code }: ServiceError) => resolve({ code, messages }));
    call.on('end', () => resolve({ code: status.OK, messages }));
    call.write(request);
    call.end();
  }).finally(() => client.close());
}
