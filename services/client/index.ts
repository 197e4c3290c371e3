/** What `import … from 'sekai-image/client'` gives. */
export {
  type CallSettings,
  createImageGenerationClient,
  type ImageGenerationClient,
  type ImageGenerationClientOptions,
  type ImageRequestFields,
} from './image-generation-client.ts';
export type { BearerToken, TlsSettings } from './connection-security.ts';
export { ConnectionSecurityError, GenerateImageError, StreamProtocolError } from './errors.ts';
export type { GeneratedImage, StreamListeners } from './image-assembler.ts';
export type { RetryNotice, RetryOptions } from './retry.ts';
export type { CallErrorDetails, FieldViolation } from './status-details.ts';
export {
  ArchiveState,
  GenerationStage,
  ImageEncoding,
  ResponseFormat,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
export type {
  ArchiveResult,
  GenerateImageRequest,
  GenerationAccepted,
  GenerationProgress,
  GenerationResult,
  GetCapabilitiesResponse,
  ImageHeader,
  ImagePreview,
  LoraSettings,
  ResolvedParameters,
  Warning,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
