import { GenerateImageRequest } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';

/** A request with every field at its wire default except those given. */
export function wireRequest(fields: Partial<GenerateImageRequest> = {}): GenerateImageRequest {
  return { ...GenerateImageRequest.decode(new Uint8Array(0)), prompt: 'a calm sea', ...fields };
}
