import { readFileSync } from 'node:fs';
import type { Server } from '@grpc/grpc-js';
import {
  type AnyDefinition,
  type EnumTypeDefinition,
  loadFileDescriptorSetFromBuffer,
  type MessageTypeDefinition,
  type PackageDefinition,
} from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { BinaryReader } from '@bufbuild/protobuf/wire';

/** The contracts as buf built them, comments included. The same relative path holds in dist/. */
const DESCRIPTOR_SET = new URL('../../../proto/gen/descriptor_set.binpb', import.meta.url);

/** Serves reflection v1 and v1alpha for `services`, so that grpcurl and buf curl need no proto file. */
export function addReflection(server: Server, services: readonly string[]): void {
  const descriptorSet = readFileSync(DESCRIPTOR_SET);
  const definition = withOriginalFiles(loadFileDescriptorSetFromBuffer(descriptorSet), descriptorSet);
  new ReflectionService(definition, { services: [...services] }).addToServer(server);
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
