/** A running image service in this process, with a raw generated client and collected log lines. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClientReadableStream, credentials, type ServiceError } from '@grpc/grpc-js';
import {
  type GenerateImageResponse,
  ImageGenerationServiceClient,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { imageGenerationConfig } from '../../services/image-generation/config.ts';
import {
  type ImageGeneration,
  type ImageGenerationOverrides,
  startImageGeneration,
} from '../../services/image-generation/image-generation.ts';
import { createLogger } from '../../services/runtime/logger.ts';

export interface ImageGenerationFixture {
  readonly service: ImageGeneration;
  readonly client: ImageGenerationServiceClient;
  readonly target: string;
  readonly logLines: Record<string, unknown>[];
  readonly directory: string;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startFixture(
  environment: Record<string, string> = {},
  overrides: ImageGenerationOverrides = {},
): Promise<ImageGenerationFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'sekai-service-'));
  const logLines: Record<string, unknown>[] = [];
  const logger = createLogger('image-generation', 'debug', {
    write: (line) => void logLines.push(JSON.parse(line) as Record<string, unknown>),
  });
  const config = imageGenerationConfig({
    GRPC_LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
    SPOOL_DIR: join(directory, 'spool'),
    ...environment,
  });
  const service = await startImageGeneration(config, { logger, ...overrides });
  const target = `127.0.0.1:${service.grpcPort}`;
  const client = new ImageGenerationServiceClient(target, credentials.createInsecure());
  return {
    service,
    client,
    target,
    logLines,
    directory,
    async [Symbol.asyncDispose]() {
      client.close();
      await service.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export interface Collected {
  readonly events: GenerateImageResponse[];
  readonly bytes: Buffer;
  /** Undefined when the call ended OK. */
  readonly error: ServiceError | undefined;
}

/** Reads a stream to its end. */
export function collect(stream: ClientReadableStream<GenerateImageResponse>): Promise<Collected> {
  return new Promise((resolve) => {
    const events: GenerateImageResponse[] = [];
    const done = (error?: ServiceError): void => {
      const chunks = events.flatMap(({ event }) => (event?.$case === 'chunk' ? [event.value.data] : []));
      resolve({ events, bytes: Buffer.concat(chunks), error });
    };
    stream.on('data', (event: GenerateImageResponse) => events.push(event));
    stream.on('error', (error: ServiceError) => done(error));
    stream.on('end', () => done());
  });
}

type EventCase = NonNullable<GenerateImageResponse['event']>['$case'];
type EventValue<C extends EventCase> =
  Extract<GenerateImageResponse['event'], { $case: C }> extends { value: infer V } ? V : never;

/** The value of the one event of a kind. */
export function only<C extends EventCase>({ events }: Collected, kind: C): EventValue<C> {
  const found = events.flatMap(({ event }) => (event?.$case === kind ? [event.value] : []));
  if (found.length !== 1) throw new Error(`expected one ${kind}, found ${found.length}`);
  return found[0] as EventValue<C>;
}
