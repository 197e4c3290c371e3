import { Server, ServerCredentials, type ServerOptions } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import {
  type ImageGenerationServiceServer,
  ImageGenerationServiceService,
} from '../../../proto/gen/sekai/image/v1/image_generation_service.ts';
import type { ListenAddress } from '../../runtime/environment.ts';
import type { Logger } from '../../runtime/logger.ts';
import { callGate } from './call-gate.ts';
import type { CallNotebook } from './call-notes.ts';
import type { CallObserver } from './call-observer.ts';
import { serialiseResponse } from './chunk-serializer.ts';
import { limitMetadata } from './limit-metadata.ts';
import { type Listener, startListener } from './listener.ts';
import { createMessageSizes } from './message-sizes.ts';
import { observeCalls } from './observe-calls.ts';
import { addReflection } from './reflection.ts';
import { openSecureAccess, type SecureAccess, type SecureAccessConfig } from './secure-access.ts';
import { observeUnknownMethods } from './unknown-methods.ts';

/** Requests are prompts: 8 KiB each of two texts and some labels. */
const MAX_REQUEST_BYTES = 256 * 1024;

const SERVER_OPTIONS: ServerOptions = {
  'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
  'grpc.max_concurrent_streams': 256,
  // Off by default in grpc-js. Finds callers whose host went away, and connections whose peer broke HTTP/2's rules:
  // Node sends those a GOAWAY, reads no more, so does not see them close, and keeps them (seen with 20.20).
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 10_000,
  // A caller that is back later connects anew, to whichever pod.
  'grpc.max_connection_idle_ms': 5 * 60_000,
  'grpc.enable_channelz': 0,
};

const SERVICE_NAME = 'sekai.image.v1.ImageGenerationService';
/** Health names: the whole server, the service, and the two that Kubernetes' documentation suggests. */
const READINESS_NAMES = ['', SERVICE_NAME, 'readiness'] as const;

/**
 * Beyond the longest call, before a connection that has reached its age is cut, ms. Only streams that never end
 * by themselves are left then, such as Health/Watch.
 */
const AGE_SPARE_MS = 10_000;
/** Time for the last bytes of the calls that have ended to leave, when the server stops, ms. */
const LAST_BYTES_MS = 1_000;

export interface GrpcServerOptions {
  /** Who is told of calls. */
  readonly watch: CallWatch;
  /** Who may call, over what, and on how many connections at once. */
  readonly access: SecureAccessConfig & { readonly maxConnections: number; readonly logger: Logger };
  /** When callers are asked to connect anew, ms; grpc-js adds or takes off up to 10 %. */
  readonly maxConnectionAgeMs: number;
}

export interface GrpcServer {
  /** The port it really listens on. */
  readonly port: number;
  /** Calls whose handlers have not ended. */
  readonly callsRunning: number;
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
  { watch, access: accessConfig, maxConnectionAgeMs }: GrpcServerOptions,
): Promise<GrpcServer> {
  const { observers, notebook, maxCallMs, onFault } = watch;
  const access = await openSecureAccess(accessConfig, accessConfig.logger, notebook);
  const sizes = createMessageSizes();
  const server = new Server({
    ...SERVER_OPTIONS,
    'grpc.max_connection_age_ms': maxConnectionAgeMs,
    'grpc.max_connection_age_grace_ms': maxCallMs + AGE_SPARE_MS,
    interceptors: [
      // The first is the nearest to the wire: what the later ones refuse is observed as well.
      observeCalls({ observers, sizes, maxCallMs, onFault }),
      callGate([limitMetadata, access.authentication]),
    ],
  });
  observeUnknownMethods(server, (call, unknownPath) => notebook.note(call, { unknownPath }));
  const running = createRunningCalls();
  server.addService(sizes.measured(definition), {
    generateImage: (call) => running.add(handlers.generateImage(call)),
    getCapabilities: (call, respond) => running.add(handlers.getCapabilities(call, respond)),
  } satisfies ImageGenerationServiceServer);
  const health = new HealthImplementation({ liveness: 'SERVING' });
  const setServing = (serving: boolean): void => {
    for (const name of READINESS_NAMES) health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  };
  setServing(false);
  health.addToServer(server);
  addReflection(server, [SERVICE_NAME, 'grpc.health.v1.Health']);
  const listener = await listen(server, address, access, accessConfig).catch((error: unknown) => {
    access.close();
    throw error;
  });
  access.onRenewed(listener.setCredentials);
  return {
    port: listener.port,
    get callsRunning() {
      return running.count;
    },
    setServing,
    async stop(deadlineMs) {
      setServing(false);
      listener.close();
      const connectionsClosed = new Promise<void>((resolve) => {
        server.tryShutdown(() => resolve());
      });
      await running.ended(deadlineMs);
      // An open Health/Watch holds its connection up for ever, so not all of them close by themselves.
      await Promise.race([connectionsClosed, delay(LAST_BYTES_MS)]);
      // grpc-js's forceShutdown closes no connection when channelz is off.
      server.forceShutdown();
      listener.destroy();
      access.close();
      // Bounded once more: whatever a handler waits for, it must not keep the hand-off from its turn.
      await running.ended(LAST_BYTES_MS);
    },
  };
}

/** TLS ends in the listener: to grpc-js every connection is plaintext. */
function listen(
  server: Server,
  address: ListenAddress,
  secure: SecureAccess,
  { maxConnections, logger }: GrpcServerOptions['access'],
): Promise<Listener> {
  const { credentials, clientCertificates } = secure;
  const connections = server.createConnectionInjector(ServerCredentials.createInsecure());
  return startListener(address, {
    tls: credentials === undefined ? undefined : { credentials, clientCertificates },
    maxConnections,
    onConnection: (socket) => connections.injectConnection(socket),
    logger,
  });
}

/** Calls whose handlers have not ended. */
function createRunningCalls() {
  const running = new Set<Promise<void>>();
  const allEnded = async (): Promise<void> => {
    while (running.size > 0) await Promise.allSettled(running);
  };
  return {
    add(call: Promise<void>): void {
      running.add(call);
      void call.finally(() => running.delete(call));
    },
    get count(): number {
      return running.size;
    },
    /** Waits for all of them, those that come meanwhile included, but no longer than `withinMs`. */
    ended: (withinMs: number): Promise<void> => Promise.race([allEnded(), delay(withinMs)]),
  };
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
