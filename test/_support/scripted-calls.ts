/** An engine that does what the prompt says, and what a script of calls needs to check the service's account of it. */
import { once } from 'node:events';
import { type Client, status } from '@grpc/grpc-js';
import { expect, vi } from 'vitest';
import type {
  GenerateImageRequest,
  ImageGenerationServiceClient,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { EngineError } from '../../services/image-generation/errors.ts';
import { type Exposition, scrape } from './exposition.ts';
import type { ImageGenerationFixture } from './image-generation-fixture.ts';
import { createNoiseEngine } from './noise-engine.ts';
import { wireRequest } from './wire-request.ts';

export const ARCHIVE_OFF = { ENABLE_INTERNAL_S3_UPLOAD: 'false' };

/** Does what the prompt says. */
export const obedientEngine = () =>
  createNoiseEngine({
    beforeStep: async ({ prompt }, step, signal) => {
      if (prompt === 'wait' && step === 2 && !signal.aborted) await once(signal, 'abort');
    },
    image: ({ prompt, width, height, seed }) => {
      if (prompt === 'unavailable') throw new EngineError('UNAVAILABLE', 'the engine is away');
      if (prompt === 'filtered') throw new EngineError('CONTENT_FILTERED', 'the engine withheld the image');
      if (prompt === 'corrupt') throw new EngineError('IMAGE_CORRUPT', 'the image is damaged');
      if (prompt === 'bug') throw new TypeError('of the engine');
      const data = new Uint8Array(width * height * 3).fill(seed % 256);
      return { type: 'image', image: { kind: 'pixels', data, width, height }, seed, warnings: [] };
    },
  });

/** A request that is soon done. */
export const small = (fields: Partial<GenerateImageRequest> = {}) =>
  wireRequest({ width: 16, height: 16, ...fields });

export const capabilities = (client: ImageGenerationServiceClient): Promise<number> =>
  new Promise((resolve) => {
    client.getCapabilities({}, (error) => resolve(error?.code ?? status.OK));
  });

/** What the service says once as many calls have ended as were made. */
export async function scrapeAfter(service: ImageGenerationFixture, calls: number): Promise<Exposition> {
  const sum = (values: Record<string, number>): number => Object.values(values).reduce((a, b) => a + b, 0);
  return vi.waitFor(
    async () => {
      const exposition = await scrape(service.service.adminPort);
      expect(sum(exposition.by('grpc_server_handled_total', 'grpc_code'))).toBe(calls);
      return exposition;
    },
    { timeout: 10_000 },
  );
}

export const accessLines = (service: ImageGenerationFixture): Record<string, unknown>[] =>
  service.logLines.filter(({ msg }) => msg === 'call ended');

export const callUnary = (client: Client, path: string): Promise<number> =>
  new Promise((resolve) => {
    const bytes = (message: Buffer): Buffer => message;
    client.makeUnaryRequest(path, bytes, bytes, Buffer.alloc(0), (error) =>
      resolve(error?.code ?? status.OK),
    );
  });
