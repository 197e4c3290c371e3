import { Server, ServerCredentials, type ServerOptions } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import {
  type ImageGenerationServiceServer,
  ImageGenerationServiceService,
} from '../../../proto/gen/sekai/image/v1/image_generation_service.ts';
import type { ListenAddress } from '../../runtime/environment.ts';
import type { CallNotebook } from './call-notes.ts';
import type { CallObserver } from './call-observer.ts';
import { serialiseResponse } from './chunk-serializer.ts';
import { createMessageSizes } from './message-sizes.ts';
import { observeCalls } from './observe-calls.ts';
import { addReflection } from './reflection.ts';
import { observeUnknownMethods } from './unknown-methods.ts';

/** Requests are prompts: 8 KiB each of two texts and some labels. */
const MAX_REQUEST_BYTES = 256 * 1024;

const SERVER_OPTIONS: ServerOptions = {
  'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
  'grpc.max_concurrent_streams': 256,
  // Off by default in grpc-js; finds callers whose host went away.
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.enable_channelz': 0,
};

const SERVICE_NAME = 'sekai.image.v1.ImageGenerationService';
/** Health names: the whole server, the service, and the two that Kubernetes' documentation suggests. */
const READINESS_NAMES = ['', SERVICE_NAME, 'readiness'] as const;

export interface GrpcServer {
  /** The port it really listens on. */
  readonly port: number;
  setServing(serving: boolean): void;
  /** Takes no new calls, waits for running ones up to `deadlineMs`, then cuts them off. */
  stop(deadlineMs: number): Promise<void>;
}

export interface GrpcServerHandlers {
  generateImage(...call: Parameters<ImageGenerationServiceServer['generateImage']>): Promise<void>;
  getCapabilities(...call: Parameters<ImageGenerationServiceServer['getCapabilities']>): Promise<void>;
}

/** Who hears of every call. */
export interface CallWatch {
  readonly observers: readonly CallObserver[];
  readonly notebook: CallNotebook;
  /** Longest a call may take, whatever deadline its caller set. */
  readonly maxCallMs: number;
  /** An observer threw. */
  readonly onFault: (error: unknown) => void;
}

/** The service definition with the serializer that copies image bytes once. */
const definition = {
  ...ImageGenerationServiceService,
  generateImage: {
    ...ImageGenerationServiceService.generateImage,
    responseSerialize: serialiseResponse,
  },
};

/** Binds and serves the image service, health and reflection (v1 and v1alpha). */
export async function startGrpcServer(
  address: ListenAddress,
  handlers: GrpcServerHandlers,
  { observers, notebook, maxCallMs, onFault }: CallWatch,
): Promise<GrpcServer> {
  const sizes = createMessageSizes();
  // The first interceptor is the nearest to the wire: what the later ones refuse is observed as well.
  const interceptors = [observeCalls({ observers, sizes, maxCallMs, onFault })];
  const server = new Server({ ...SERVER_OPTIONS, interceptors });
  observeUnknownMethods(server, (call, unknownPath) => notebook.note(call, { unknownPath }));
  const running = new Set<Promise<void>>();
  const track = (call: Promise<void>): void => {
    running.add(call);
    void call.finally(() => running.delete(call));
  };
  server.addService(sizes.measured(definition), {
    generateImage: (call) => track(handlers.generateImage(call)),
    getCapabilities: (call, respond) => track(handlers.getCapabilities(call, respond)),
  } satisfies ImageGenerationServiceServer);
  const health = new HealthImplementation({ liveness: 'SERVING' });
  const setServing = (serving: boolean): void => {
    for (const name of READINESS_NAMES) health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  };
  setServing(false);
  health.addToServer(server);
  addReflection(server, [SERVICE_NAME, 'grpc.health.v1.Health']);
  const port = await bind(server, address);
  return {
    port,
    setServing,
    async stop(deadlineMs) {
      setServing(false);
      // An open Health/Watch would hold tryShutdown up for ever: we wait for our own calls instead.
      server.tryShutdown(() => {});
      await Promise.race([allSettled(running), delay(deadlineMs)]);
      server.forceShutdown();
      await allSettled(running);
    },
  };
}

function bind(server: Server, { host, port }: ListenAddress): Promise<number> {
  const target = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(target, ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(new Error(`cannot listen on ${target}`, { cause: error }));
      else resolve(bound);
    });
  });
}

async function allSettled(running: ReadonlySet<Promise<void>>): Promise<void> {
  while (running.size > 0) await Promise.allSettled(running);
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
