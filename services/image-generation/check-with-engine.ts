import type { GenerateImageRequest } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { NotFoundError } from './errors.ts';
import type { ImageEngine } from './image-engine.ts';
import { checkImageRequest, type ImageRequest } from './image-request.ts';

/**
 * Checks a request against what the engine has. For a name that nobody knows the engine looks once more: files are
 * put beside engines while they run.
 * @throws as {@link checkImageRequest}, {@link ImageEngine.capabilities}.
 */
export async function checkWithEngine(
  wire: GenerateImageRequest,
  engine: ImageEngine,
  signal: AbortSignal,
): Promise<ImageRequest> {
  try {
    return checkImageRequest(wire, await engine.capabilities(signal));
  } catch (error) {
    if (!(error instanceof NotFoundError) || engine.renewCapabilities === undefined) throw error;
    return checkImageRequest(wire, await engine.renewCapabilities(signal));
  }
}
