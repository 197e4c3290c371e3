import {
  createGenerateImageHandler,
  type GenerateImageHandlerDependencies,
} from './generate-image-handler.ts';
import {
  createGetCapabilitiesHandler,
  type GetCapabilitiesDependencies,
} from './get-capabilities-handler.ts';
import type { GrpcServerHandlers } from './server.ts';

/** One handler for each method of the service. */
export const createHandlers = (
  dependencies: GenerateImageHandlerDependencies & GetCapabilitiesDependencies,
): GrpcServerHandlers => ({
  generateImage: createGenerateImageHandler(dependencies),
  getCapabilities: createGetCapabilitiesHandler(dependencies),
});
