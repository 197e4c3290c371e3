import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';

/** How large messages were once serialised: grpc-js tells its interceptors the message, not its bytes. */
export interface MessageSizes {
  /** The same service, whose responses are measured as they are serialised. */
  measured<Service extends ServiceDefinition>(service: Service): Service;
  /** Bytes of the response that was serialised last, if it is this one, and forgets it; else undefined. */
  take(message: unknown): number | undefined;
}

export function createMessageSizes(): MessageSizes {
  // An interceptor that has sent a message asks at once; a WeakMap of all messages made the garbage collector work.
  let last: { readonly message: unknown; readonly bytes: number } | undefined;
  const measuredMethod = (method: MethodDefinition<unknown, object>): MethodDefinition<unknown, object> => ({
    ...method,
    responseSerialize: (message) => {
      const bytes = method.responseSerialize(message);
      last = { message, bytes: bytes.byteLength };
      return bytes;
    },
  });
  return {
    measured: <Service extends ServiceDefinition>(service: Service) =>
      Object.fromEntries(
        Object.entries(service).map(([name, method]) => [name, measuredMethod(method)]),
      ) as unknown as Service,
    take(message) {
      const taken = last;
      last = undefined;
      return taken?.message === message ? taken?.bytes : undefined;
    },
  };
}
