import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';

/** How large messages were once serialised: grpc-js tells its interceptors the message, not its bytes. */
export interface MessageSizes {
  /** The same service, whose responses are measured as they are serialised. */
  measured<Service extends ServiceDefinition>(service: Service): Service;
  /** Bytes of a response that was serialised just now; undefined when it was not. */
  of(message: unknown): number | undefined;
}

export function createMessageSizes(): MessageSizes {
  const sizes = new WeakMap<object, number>();
  const measuredMethod = (method: MethodDefinition<unknown, object>): MethodDefinition<unknown, object> => ({
    ...method,
    responseSerialize: (message) => {
      const bytes = method.responseSerialize(message);
      sizes.set(message, bytes.byteLength);
      return bytes;
    },
  });
  return {
    measured: <Service extends ServiceDefinition>(service: Service) =>
      Object.fromEntries(
        Object.entries(service).map(([name, method]) => [name, measuredMethod(method)]),
      ) as unknown as Service,
    of: (message) => (typeof message === 'object' && message !== null ? sizes.get(message) : undefined),
  };
}
