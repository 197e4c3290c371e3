import { readFileSync } from 'node:fs';
import {
  type Server,
  type ServerDuplexStream,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type {
  AnyDefinition,
  EnumTypeDefinition,
  MessageTypeDefinition,
  PackageDefinition,
} from '@grpc/proto-loader';
import { BinaryReader } from '@bufbuild/protobuf/wire';

/** The contracts as buf built them, comments included. The same relative path holds in dist/. */
const DESCRIPTOR_SET = new URL('../../../proto/gen/descriptor_set.binpb', import.meta.url);

const REFLECTION_SERVICES = [
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
];
const METHOD = 'ServerReflectionInfo';

type Call = ServerDuplexStream<object, object>;

/** A reflection service as `@grpc/reflection` registers it. */
interface LoadedService {
  readonly method: ServiceDefinition[string];
  readonly handle: (call: Call) => void;
}

type LoadedServices = ReadonlyMap<string, LoadedService>;

/**
 * Serves reflection v1 and v1alpha for `services`, so that grpcurl and buf curl need no proto file. What it takes, a
 * quarter of the service's start (measured), is loaded with the first call: most processes never get one.
 */
export function addReflection(server: Server, services: readonly string[]): void {
  let loading: Promise<LoadedServices> | undefined;
  for (const name of REFLECTION_SERVICES) {
    let loaded: LoadedService | undefined;
    const handle = async (call: Call): Promise<void> => {
      loaded ??= (await (loading ??= loadReflection(services))).get(`/${name}/${METHOD}`);
      if (loaded === undefined) throw new Error(`@grpc/reflection does not serve ${name}`);
      loaded.handle(call);
    };
    const method = {
      path: `/${name}/${METHOD}`,
      requestStream: true,
      responseStream: true,
      // grpc-js reads no message before somebody listens for it, and that is the loaded handler.
      requestSerialize: (message: object) => loadedOf(loaded).requestSerialize(message),
      requestDeserialize: (bytes: Buffer) => loadedOf(loaded).requestDeserialize(bytes) as object,
      responseSerialize: (message: object) => loadedOf(loaded).responseSerialize(message),
      responseDeserialize: (bytes: Buffer) => loadedOf(loaded).responseDeserialize(bytes) as object,
    };
    server.addService({ [METHOD]: method }, {
      [METHOD]: (call: Call) => {
        handle(call).catch((cause: unknown) => {
          loading = undefined; // The next call tries again.
          call.emit('error', { code: status.INTERNAL, details: 'reflection could not be loaded', cause });
        });
      },
    } satisfies UntypedServiceImplementation);
  }
}

function loadedOf(service: LoadedService | undefined): LoadedService['method'] {
  if (service === undefined) throw new Error('reflection is not loaded yet');
  return service.method;
}

async function loadReflection(services: readonly string[]): Promise<LoadedServices> {
  const [{ ReflectionService }, { loadFileDescriptorSetFromBuffer }] = await Promise.all([
    import('@grpc/reflection'),
    import('@grpc/proto-loader'),
  ]);
  const descriptorSet = readFileSync(DESCRIPTOR_SET);
  const definition = withOriginalFiles(loadFileDescriptorSetFromBuffer(descriptorSet), descriptorSet);
  const loaded = new Map<string, LoadedService>();
  const catcher: Pick<Server, 'addService'> = {
    addService(service, implementation) {
      for (const [name, method] of Object.entries(service)) {
        const handle = (implementation as Record<string, LoadedService['handle'] | undefined>)[name];
        if (handle !== undefined) loaded.set(method.path, { method, handle });
      }
    },
  };
  new ReflectionService(definition, { services: [...services] }).addToServer(catcher);
  return loaded;
}

/**
 * Gives every definition the files as they are in the set. proto-loader 0.8 merges the files of a package and
 * drops their imports; grpcurl and buf curl then fail on the first type of another package
 * (`google.protobuf.Timestamp" not found`).
 */
function withOriginalFiles(definition: PackageDefinition, descriptorSet: Buffer): PackageDefinition {
  const fileDescriptorProtos = filesOf(descriptorSet);
  return Object.fromEntries(
    Object.entries(definition).map(([name, each]) => [
      name,
      isTypeDefinition(each) ? { ...each, fileDescriptorProtos } : each,
    ]),
  );
}

/** A service's definition is a map of methods instead. */
function isTypeDefinition(
  each: AnyDefinition,
): each is MessageTypeDefinition<object, object> | EnumTypeDefinition {
  return typeof each.format === 'string';
}

/** The files of a `google.protobuf.FileDescriptorSet`: its one field, `repeated FileDescriptorProto file = 1`. */
function filesOf(descriptorSet: Buffer): Buffer[] {
  const reader = new BinaryReader(descriptorSet);
  const files: Buffer[] = [];
  while (reader.pos < reader.len) {
    reader.tag();
    files.push(Buffer.from(reader.bytes()));
  }
  return files;
}
