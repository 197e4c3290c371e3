import { Server, ServerCredentials, type ServerOptions } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import {
  type ImageGenerationServiceServer,
  ImageGenerationServiceService,
} from '../../../proto/gen/sekai/image/v1/image_generation_service.ts';
import type { ListenAddress } from '../../runtime/environment.ts';
import type { Logger } from '../../runtime/logger.ts';
import { serialiseResponse } from './chunk-serializer.ts';
import { limitMetadata } from './limit-metadata.ts';
import { type Listener, startListener } from './listener.ts';
import { addReflection } from './reflection.ts';
import { openSecureAccess, type SecureAccess, type SecureAccessConfig } from './secure-access.ts';

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

/** Time for the last bytes of ended calls to leave, ms. */
const FLUSH_MS = 500;

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

/** What the server needs of its process. */
export interface GrpcServerParts {
  generateImage(...call: Parameters<ImageGenerationServiceServer['generateImage']>): Promise<void>;
  getCapabilities(...call: Parameters<ImageGenerationServiceServer['getCapabilities']>): Promise<void>;
  /** Who may call, over what, and on how many connections at once. */
  readonly access: SecureAccessConfig & { readonly maxConnections: number; readonly logger: Logger };
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
export async function startGrpcServer(address: ListenAddress, parts: GrpcServerParts): Promise<GrpcServer> {
  const access = await openSecureAccess(parts.access, parts.access.logger);
  // From the wire inwards: whoever observes calls must stand first, to see refused ones too.
  const server = new Server({ ...SERVER_OPTIONS, interceptors: [limitMetadata, access.authentication] });
  const running = new Set<Promise<void>>();
  const track = (call: Promise<void>): void => {
    running.add(call);
    void call.finally(() => running.delete(call));
  };
  server.addService(definition, {
    generateImage: (call) => track(parts.generateImage(call)),
    getCapabilities: (call, respond) => track(parts.getCapabilities(call, respond)),
  } satisfies ImageGenerationServiceServer);
  const health = new HealthImplementation({ liveness: 'SERVING' });
  const setServing = (serving: boolean): void => {
    for (const name of READINESS_NAMES) health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  };
  setServing(false);
  health.addToServer(server);
  addReflection(server, [SERVICE_NAME, 'grpc.health.v1.Health']);
  const listener = await listen(server, address, access, parts.access).catch((error: unknown) => {
    access.close();
    throw error;
  });
  access.onRenewed(listener.setCredentials);
  return {
    port: listener.port,
    setServing,
    async stop(deadlineMs) {
      setServing(false);
      listener.close();
      const closed = new Promise<void>((resolve) => {
        server.tryShutdown(() => resolve());
      });
      // An open Health/Watch would hold tryShutdown up for ever: we wait for our own calls, and a moment for bytes.
      await Promise.race([allSettled(running), delay(deadlineMs)]);
      await Promise.race([closed, delay(FLUSH_MS)]);
      // grpc-js's forceShutdown closes no connection when channelz is off.
      server.forceShutdown();
      listener.destroy();
      access.close();
      await allSettled(running);
    },
  };
}

/** TLS ends in the listener: to grpc-js every connection is plaintext. */
function listen(
  server: Server,
  address: ListenAddress,
  secure: SecureAccess,
  { maxConnections, logger }: GrpcServerParts['access'],
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

async function allSettled(running: ReadonlySet<Promise<void>>): Promise<void> {
  while (running.size > 0) await Promise.allSettled(running);
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
